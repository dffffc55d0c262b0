/**
 * Event-log hashes of a range of seeds, so that two runs can be compared across processes and
 * versions of Node.js.
 *
 *     node --import tsx test/sim/log-hashes.ts 1 10
 */
import { pathToFileURL } from "node:url";
import { simulateSeed } from "../../src/sim/simulate.ts";

/** `seed hash` for each of `count` seeds from `first` on. */
export async function logHashes(first: number, count: number): Promise<string[]> {
  const lines: string[] = [];
  for (let seed = first; seed < first + count; seed++) {
    lines.push(`${seed} ${(await simulateSeed(seed)).logHash}`);
  }
  return lines;
}

const [, script = "", first = "1", count = "5"] = process.argv;
if (import.meta.url === pathToFileURL(script).href) {
  for (const line of await logHashes(Number(first), Number(count))) console.log(line);
}
