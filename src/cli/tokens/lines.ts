/**
 * Lines of standard input as bytes. They come in batches, one for each chunk read: a million short
 * lines would otherwise be a million promises.
 */
import { CliError } from "../exit-codes.ts";

/** A longer line is no key: nothing takes keys of this size. */
const LINE_BYTES_MAX = 1024 * 1024;
const NEWLINE = 10;

/** Batches of lines without their ends. The bytes are good until the next batch is asked for. */
export async function* lineBatches(
  input: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly Uint8Array[]> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const chunk of input) {
    const bytes = joined(rest, chunk);
    const lines: Uint8Array[] = [];
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      lines.push(bytes.subarray(start, end));
      start = end + 1;
    }
    rest = bytes.subarray(start);
    if (rest.length > LINE_BYTES_MAX) {
      throw new CliError("usage", `a line of the input is longer than ${LINE_BYTES_MAX} bytes`);
    }
    if (lines.length > 0) yield lines;
  }
  if (rest.length > 0) yield [rest];
}

function joined(head: Uint8Array, tail: Uint8Array): Uint8Array {
  if (head.length === 0) return tail;
  const bytes = new Uint8Array(head.length + tail.length);
  bytes.set(head);
  bytes.set(tail, head.length);
  return bytes;
}
