/** The form of a command that changes something, and may talk and show progress while it does. */
import type { MemberClient } from "../client.ts";
import type { CommandInput, CommandParameter } from "../commands/client-command.ts";
import type { CliContext } from "../context.ts";

/** One run of such a command. */
export interface Operation {
  readonly context: CliContext;
  readonly client: MemberClient;
  readonly input: CommandInput;
  readonly isJson: boolean;
}

export interface OperationCommand {
  readonly name: string;
  readonly description: string;
  readonly arguments?: readonly CommandParameter[];
  readonly options?: readonly CommandParameter[];
  /** With --json it prints a line for every event instead of one document. */
  readonly printsEvents?: boolean;
  run(operation: Operation): Promise<void>;
}

/** Prints one answer, for people or as one JSON document. */
export function show({ context, isJson }: Operation, json: unknown, text: string): void {
  context.write(isJson ? `${JSON.stringify(json, undefined, 2)}\n` : text);
}

/** Prints one of several things that happen, for people or as a line of JSON. */
export function tell({ context, isJson }: Operation, event: object, text: string): void {
  context.write(isJson ? `${JSON.stringify(event)}\n` : text);
}

/** What asks the same member again, for lines that say what to type next. */
export function again({ input, client }: Operation, line: string): string {
  return input.options["url"] === undefined
    ? `dynaring ${line}`
    : `dynaring ${line} --url ${client.url}`;
}

export function pauseOf({ context }: Operation): (delayMs: number) => Promise<void> {
  return (
    context.pause ??
    ((delayMs) =>
      new Promise((resolve) => {
        setTimeout(resolve, delayMs);
      }))
  );
}
