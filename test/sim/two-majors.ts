/**
 * Compares event-log hashes between this Node.js and another one, whose binary is named by
 * OTHER_NODE: the same seed must mean the same history on both.
 *
 *     OTHER_NODE=/path/to/node node --import tsx test/sim/two-majors.ts [first seed] [count]
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { logHashes } from "./log-hashes.ts";

const [, , first = "1", count = "20"] = process.argv;
const otherNode = process.env["OTHER_NODE"];
if (otherNode === undefined) throw new Error("OTHER_NODE must name the binary of another Node.js");

const script = fileURLToPath(new URL("log-hashes.ts", import.meta.url));
const run = promisify(execFile);
const [mine, theirs, version] = await Promise.all([
  logHashes(Number(first), Number(count)),
  run(otherNode, ["--import", "tsx", script, first, count]),
  run(otherNode, ["--version"]),
]);
const other = theirs.stdout.trim().split("\n");
const different = mine.filter((line, index) => line !== other[index]);
console.log(
  `${mine.length} seeds on Node.js ${process.version} and ${version.stdout.trim()}: ` +
    (different.length === 0 ? "equal histories" : `${different.length} differ`),
);
for (const line of different) console.log(`  here ${line}; there ${other[mine.indexOf(line)]}`);
process.exitCode = different.length === 0 ? 0 : 1;
