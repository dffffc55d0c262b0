/** Asking the user before something is done. */
import type { CliContext } from "../context.ts";
import { CliError } from "../exit-codes.ts";
import { StopSignals } from "../stop-signals.ts";
import type { Operation } from "./operation.ts";

export interface Question {
  readonly text: string;
  /** Answers, in lower case, that mean consent; any other one means none. */
  readonly consents: readonly string[];
}

/** Where nobody can answer, the consent must come with the command line. */
export function mustBeAbleToAsk({ context, input, isJson }: Operation): void {
  if (input.options["yes"] === true) return;
  if (context.isTerminal && !isJson && context.input !== undefined) return;
  throw new CliError(
    "usage",
    "there is no terminal to ask on; say --yes, or use 'dynaring plan' and 'dynaring commit'",
  );
}

/** Ctrl-C and the end of the input are answers, too. */
export async function isConsented(
  { context, input }: Operation,
  { text, consents }: Question,
): Promise<boolean> {
  if (input.options["yes"] === true) return true;
  const signals = new StopSignals();
  signals.listen();
  try {
    context.write(`${text} `);
    const stopped = signals.first.then(() => {
      context.write("\n");
      return "";
    });
    const answer = await Promise.race([lineOf(context.input), stopped]);
    return consents.includes(answer.trim().toLowerCase());
  } finally {
    signals.release();
  }
}

/** The first line of the input, without what ends it. */
async function lineOf(input: CliContext["input"]): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of input ?? []) {
    text += decoder.decode(chunk, { stream: true });
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
  }
  return text;
}
