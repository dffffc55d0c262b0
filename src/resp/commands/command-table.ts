/**
 * Finds what the command table says of a command, from the bytes of its name.
 *
 * Names are looked up where they lie: a hash over their bytes in lower case, then a comparison with
 * the one or two names that share it. No string is made.
 */
import { lowerCase, type RespCommand } from "../../codec/resp-command.ts";
import { unknownCommand, unknownSubcommand, wrongArity } from "../errors.ts";
import type { CommandSpec } from "./spec.ts";

const BUCKETS = 256;

export class CommandTable {
  /** In the order of the reference page. */
  readonly specs: readonly CommandSpec[];
  readonly #buckets: readonly (readonly CommandSpec[])[];

  constructor(specs: readonly CommandSpec[]) {
    this.specs = specs;
    const buckets = Array.from({ length: BUCKETS }, (): CommandSpec[] => []);
    for (const spec of specs) buckets[hashOfName(spec.name)]?.push(spec);
    this.#buckets = buckets;
  }

  /** The command or subcommand that is meant, or the error to answer. */
  resolve(command: RespCommand): CommandSpec | string {
    const spec = this.#find(command);
    if (spec === undefined) return unknownCommand(command);
    if (spec.subcommands !== undefined && command.count > 1) {
      const subcommand = findSubcommand(spec, command);
      if (subcommand === undefined) return unknownSubcommand(command);
      return hasArity(subcommand, command.count) ? subcommand : wrongArity(subcommand.name);
    }
    return hasArity(spec, command.count) ? spec : wrongArity(spec.name);
  }

  /** The command with that name in any case; `container|subcommand` names a subcommand. */
  named(name: string): CommandSpec | undefined {
    const lower = name.toLowerCase();
    const [container] = lower.split("|");
    const spec = this.specs.find((candidate) => candidate.name === container);
    if (lower === container) return spec;
    return spec?.subcommands?.find((candidate) => candidate.name === lower);
  }

  #find(command: RespCommand): CommandSpec | undefined {
    const { bytes } = command;
    const end = command.end(0);
    let hash = 0;
    for (let position = command.start(0); position < end; position++) {
      hash = step(hash, lowerCase(bytes[position] as number));
    }
    for (const spec of this.#buckets[hash % BUCKETS] ?? []) {
      if (command.is(0, spec.name)) return spec;
    }
    return undefined;
  }
}

export function hasArity(spec: CommandSpec, count: number): boolean {
  return spec.arity >= 0 ? count === spec.arity : count >= -spec.arity;
}

function findSubcommand(spec: CommandSpec, command: RespCommand): CommandSpec | undefined {
  const prefixLength = spec.name.length + 1;
  return spec.subcommands?.find(({ name }) => command.is(1, name.slice(prefixLength)));
}

function hashOfName(name: string): number {
  let hash = 0;
  for (let index = 0; index < name.length; index++) hash = step(hash, name.charCodeAt(index));
  return hash % BUCKETS;
}

function step(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) >>> 0;
}
