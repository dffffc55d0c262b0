/** `token`: the tokens of keys. */
import type { Command } from "commander";
import type { CliContext } from "../context.ts";
import { fromHex, inputLines, partitionerNamed, textOf, tokenOf } from "../tokens/keys.ts";

export function addTokenCommand(program: Command, context: CliContext): void {
  const command = program
    .command("token")
    .description(
      "The token of each key, a line each; keys are lines of standard input if none are given",
    )
    .argument("[keys...]", "keys, as text unless told otherwise")
    .option("--partitioner <name>", "how keys become tokens", "murmur3")
    .option("--hex", "keys are written in hex")
    .option("--json", "print JSON lines");
  command.action(() => runToken(context, command.args, command.opts()));
}

interface TokenFlags {
  readonly partitioner: string;
  readonly hex?: boolean;
  readonly json?: boolean;
}

async function runToken(
  context: CliContext,
  keys: readonly string[],
  { partitioner: name, hex, json }: TokenFlags,
): Promise<void> {
  const partitioner = partitionerNamed(name);
  for await (const batch of inputLines(context, keys)) {
    const lines = batch.map((line) => {
      const key = hex === true ? fromHex(line) : line.bytes;
      const token = partitioner.format(tokenOf(partitioner, key, line));
      const shown = textOf(line);
      return json === true ? `${JSON.stringify({ key: shown, token })}\n` : `${shown}\t${token}\n`;
    });
    context.write(lines.join(""));
  }
}
