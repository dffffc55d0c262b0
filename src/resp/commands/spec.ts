/** What the command table says of one command. Dispatch, COMMAND and the reference page read it. */
import type { RespCommand } from "../../codec/resp-command.ts";
import type { Call } from "../call.ts";
import type { Access, KeyPositions } from "../key-order.ts";

/** Redis's command flags, as far as they apply. */
export type CommandFlag = "readonly" | "write" | "denyoom" | "fast" | "admin" | "loading" | "stale";

export type CommandGroup = "string" | "generic" | "connection" | "server" | "dynaring";

export interface CommandSpec {
  /** Lower case; a subcommand is `container|name`. */
  readonly name: string;
  /** Redis's arity, the name counted: exact when positive, at least when negative. */
  readonly arity: number;
  readonly group: CommandGroup;
  readonly flags: readonly CommandFlag[];
  readonly keys?: KeyPositions | undefined;
  readonly access: Access;
  /** Where the access depends on the options of the command. */
  readonly accessOf?: ((command: RespCommand) => Access) | undefined;
  /** The version of Redis that has the command, or of Dynaring where Redis has it not. */
  readonly since: string;
  /** Arguments after the name, in Redis's notation. */
  readonly syntax: string;
  readonly summary: string;
  /** Where it differs from Redis, in whole sentences. */
  readonly notes?: string | undefined;
  readonly handler: (call: Call) => void;
  readonly subcommands?: readonly CommandSpec[] | undefined;
  /** The command that is really meant follows after two arguments. */
  readonly isPrefix?: boolean | undefined;
}

export const ONE_KEY: KeyPositions = { first: 1, last: 1, step: 1 };
export const ALL_KEYS: KeyPositions = { first: 1, last: -1, step: 1 };
export const KEY_VALUE_PAIRS: KeyPositions = { first: 1, last: -1, step: 2 };
