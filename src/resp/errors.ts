/** The texts of errors: Redis's own where it has one, ours with stable first words where not. */
import type { RespCommand } from "../codec/resp-command.ts";
import type { KvError, KvErrorCode } from "../model/kv-error.ts";
import { LEVEL_NAMES } from "./levels.ts";

/** First word of the reply for each code of KvError. Clients may switch on it. */
export const KV_ERROR_PREFIXES: Readonly<Record<KvErrorCode, string>> = {
  UNAVAILABLE: "UNAVAILABLE",
  TIMEOUT: "TIMEOUT",
  REPLICA_FAILURE: "REPLICAFAILURE",
  UNKNOWN_KEYSPACE: "NOKEYSPACE",
  KEYSPACE_EXISTS: "ERR",
  UNSUPPORTED_LEVEL: "ERR",
  INVALID_ARGUMENT: "ERR",
  TOO_LARGE: "TOOLARGE",
  BUSY: "BUSY",
  PLAN_STALE: "ERR",
  PLAN_LOST: "ERR",
  NOTHING_STAGED: "ERR",
  CHANGE_REFUSED: "ERR",
  UNKNOWN_TASK: "ERR",
  NOT_READY: "NOTREADY",
};

export const SYNTAX_ERROR = "ERR syntax error";
export const NOT_AN_INTEGER = "ERR value is not an integer or out of range";
export const INTERNAL_ERROR = "ERR internal error, see the log of the server";

/** Redis shows this much of a command that it does not know. */
const SHOWN_BYTES = 128;

/** The reply for a failed operation; for a write it says what may have become of it. */
export function kvErrorText(error: KvError, isWrite: boolean): string {
  const text = `${KV_ERROR_PREFIXES[error.code]} ${error.message}`;
  if (!isWrite) return text;
  return error.outcome === "unknown"
    ? `${text}; outcome unknown: the write may still become visible`
    : `${text}; nothing was written`;
}

/** The reply where a keyspace is missing; it says which there are. */
export function noKeyspace(name: string, keyspaces: readonly { readonly name: string }[]): string {
  const shown = keyspaces.slice(0, 16).map((keyspace) => keyspace.name);
  const hint = shown.length === 0 ? "" : ` or SELECT one of: ${shown.join(", ")}`;
  return `NOKEYSPACE there is no keyspace '${name.slice(0, SHOWN_BYTES)}'; create it${hint}`;
}

export function wrongArity(name: string): string {
  return `ERR wrong number of arguments for '${name}' command`;
}

export function invalidExpireTime(name: string): string {
  return `ERR invalid expire time in '${name}' command`;
}

export function unknownCommand(command: RespCommand): string {
  let shown = "";
  for (let index = 1; index < command.count && shown.length < SHOWN_BYTES; index++) {
    shown += `'${command.text(index).slice(0, SHOWN_BYTES - shown.length)}' `;
  }
  const name = command.text(0).slice(0, SHOWN_BYTES);
  return `ERR unknown command '${name}', with args beginning with: ${shown}`;
}

export function unknownSubcommand(command: RespCommand): string {
  const subcommand = command.text(1).slice(0, SHOWN_BYTES);
  return `ERR unknown subcommand '${subcommand}'. Try ${command.text(0).toUpperCase()} HELP.`;
}

export function unknownLevel(text: string): string {
  const shown = text.slice(0, SHOWN_BYTES);
  return `ERR unknown consistency level '${shown}', expected one of ${LEVEL_NAMES.join(", ")} or a number of replicas`;
}
