/** Keys as the command line and standard input give them. */
import { must } from "../../util/assert.ts";
import type { Partitioner } from "../../ring/partitioner.ts";
import {
  PARTITIONER_NAMES,
  createPartitioner,
  partitionerNameOf,
  shortPartitionerName,
} from "../../ring/partitioners/by-name.ts";
import type { CliContext } from "../context.ts";
import { CliError } from "../exit-codes.ts";
import type { AnyToken } from "./ring-file.ts";
import { lineBatches } from "./lines.ts";

/** Something to work on, and where it came from. */
export interface InputLine {
  readonly bytes: Uint8Array;
  /** For messages: `argument 2`, `line 17`. */
  readonly place: () => string;
}

/** The arguments, or standard input if there are none, in batches. */
export async function* inputLines(
  context: CliContext,
  args: readonly string[],
): AsyncGenerator<readonly InputLine[]> {
  if (args.length > 0) {
    yield args.map((text, index) => ({
      bytes: Buffer.from(text, "utf8"),
      place: () => `argument ${index + 1}`,
    }));
    return;
  }
  let count = 0;
  const input = must(context.input, "a process has a standard input");
  for await (const batch of lineBatches(input)) {
    const first = count + 1;
    yield batch.map((bytes, index) => ({ bytes, place: () => `line ${first + index}` }));
    count += batch.length;
  }
}

/** A key in hex as bytes; throws CliError. */
export function fromHex({ bytes, place }: InputLine): Uint8Array {
  const text = Buffer.from(bytes).toString("latin1");
  const key = Buffer.from(text, "hex");
  if (key.length * 2 !== text.length) {
    throw new CliError("usage", `${place()}: '${text}' is no key in hex, expected pairs of digits`);
  }
  return key;
}

/** The token of a key; throws CliError if the partitioner cannot take it. */
export function tokenOf(
  partitioner: Partitioner<AnyToken>,
  key: Uint8Array,
  line: InputLine,
): AnyToken {
  try {
    return partitioner.hash(key);
  } catch (error) {
    throw withPlace(error, line);
  }
}

/** The token that a line holds as text; throws CliError. */
export function parsedToken(partitioner: Partitioner<AnyToken>, line: InputLine): AnyToken {
  try {
    return partitioner.parse(textOf(line));
  } catch (error) {
    throw withPlace(error, line);
  }
}

export function textOf({ bytes }: InputLine): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
}

function withPlace(error: unknown, { place }: InputLine): unknown {
  if (!(error instanceof Error) || !("expected" in error)) return error;
  return new CliError("usage", `${place()}: ${error.message}`);
}

/**
 * A partitioner by its class name or a short form of it: `murmur3`, `random`, `byteordered`,
 * `orderpreserving`, `redis`, `dynomite`, `dynomite:crc32`. Throws CliError.
 */
export function partitionerNamed(text: string): Partitioner<AnyToken> {
  const name = partitionerNameOf(text);
  if (name !== undefined) return createPartitioner(name);
  const known = PARTITIONER_NAMES.map(shortPartitionerName).join(", ");
  throw new CliError("usage", `'${text}' is no partitioner, expected one of ${known}`);
}
