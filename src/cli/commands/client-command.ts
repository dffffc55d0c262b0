/** The form of a command that asks one member and shows the answer. */
import type { MemberClient } from "../client.ts";

export interface CommandParameter {
  /** As commander writes it: `<keyspace>`, `[keyspace]`, `--tokens`, `--class <name>`. */
  readonly flags: string;
  readonly description: string;
  /** An option that may be given several times; its values come as a list. */
  readonly isRepeatable?: boolean;
}

export type OptionValue = string | boolean | readonly string[] | undefined;

export interface CommandInput {
  readonly arguments: readonly string[];
  readonly options: Readonly<Record<string, OptionValue>>;
}

/** The answer for people and for programs. */
export interface CommandOutput {
  readonly text: string;
  readonly json: unknown;
}

export interface ClientCommand {
  readonly name: string;
  readonly description: string;
  readonly arguments?: readonly CommandParameter[];
  readonly options?: readonly CommandParameter[];
  run(client: MemberClient, input: CommandInput): Promise<CommandOutput>;
}

/** An option that takes text. */
export function textOption(input: CommandInput, name: string): string | undefined {
  const value = input.options[name];
  return typeof value === "string" ? value : undefined;
}

/** The values of an option that may be repeated. */
export function listOption(input: CommandInput, name: string): readonly string[] {
  const value = input.options[name];
  return typeof value === "object" ? value : [];
}

/** An argument that commander has made sure of. */
export function requiredArgument(input: CommandInput, index: number): string {
  return input.arguments[index] ?? "";
}

export const KEYSPACE_FOR_OWNERSHIP: CommandParameter = {
  flags: "[keyspace]",
  description: "keyspace whose replication the effective ownership is computed for",
};

export const KEYSPACE: CommandParameter = {
  flags: "<keyspace>",
  description: "name of a keyspace",
};
