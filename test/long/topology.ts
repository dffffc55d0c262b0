/**
 * Everything that can happen to a ring, with real processes, larger than the tests do it; and a
 * rolling restart, ten times.
 *
 *     npm run test:topology -- [--keys 200000] [--value-bytes 200] [--workers 16] [--rounds 10]
 *
 * Prints what moved, 99th percentiles by phase, and ends with 1 if anything was lost or failed.
 */
import { parseArgs } from "node:util";
import { restartAll } from "../integration/topology-restarts.ts";
import { runScenario } from "../integration/topology-scenario.ts";

const TOLERANCE = 0.1;
const DEFAULT_STREAM_BYTES = 16 << 20;

async function changes(keys: number, valueBytes: number, workers: number): Promise<boolean> {
  const result = await runScenario({
    keys,
    valueBytes,
    joinBytesPerSecond: Math.min(DEFAULT_STREAM_BYTES, Math.ceil((keys * valueBytes) / 8)),
    workers,
    pauseMs: 5,
    operationsBefore: 10_000,
    log: console.log,
  });
  const { problems, cutOffElsewhere, moved, operations } = result;
  const wrong = moved.filter(
    ({ plannedBytes, movedBytes }) =>
      Math.abs(movedBytes - plannedBytes) > TOLERANCE * plannedBytes,
  );
  console.table(moved);
  console.log(`${operations} operations; problems:`, problems, cutOffElsewhere, wrong);
  return problems.length + cutOffElsewhere.length + wrong.length === 0;
}

async function restarts(rounds: number, workers: number): Promise<boolean> {
  const result = await restartAll({
    members: 5,
    rounds,
    keys: 10_000,
    workers,
    pauseMs: 5,
    log: console.log,
  });
  console.log(result);
  const { problems, tasks, commits } = result;
  return problems.length + tasks + commits === 0;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      keys: { type: "string", default: "200000" },
      "value-bytes": { type: "string", default: "200" },
      workers: { type: "string", default: "16" },
      rounds: { type: "string", default: "10" },
    },
  });
  const workers = Number(values.workers);
  const isChanged = await changes(Number(values.keys), Number(values["value-bytes"]), workers);
  const isRestarted = await restarts(Number(values.rounds), workers);
  if (!isChanged || !isRestarted) process.exitCode = 1;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
