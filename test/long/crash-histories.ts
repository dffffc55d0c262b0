/**
 * Many crash histories of the log engine, more than the tests run.
 *
 *     npx tsx test/long/crash-histories.ts [--count 100000] [--first 0]
 *
 * Prints what the histories went through; ends with 1 at the first failure, whose seed it names. To
 * repeat one: --count 1 --first <seed>.
 */
import { parseArgs } from "node:util";
import { emptyCounts, runCrashHistory } from "../../src/storage/log/crash-history.suite.ts";

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      count: { type: "string", default: "100000" },
      first: { type: "string", default: "0" },
    },
  });
  const count = Number(values.count);
  const first = Number(values.first);
  const counts = emptyCounts();
  const startMs = Date.now();
  for (let done = 0; done < count; done++) {
    await runCrashHistory(first + done, counts);
    if ((done + 1) % 10_000 === 0) console.log(`${done + 1} histories`);
  }
  const seconds = (Date.now() - startMs) / 1000;
  console.log(`${count} crash histories from seed ${first} in ${seconds.toFixed(0)} s: no failure`);
  console.table(counts);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
