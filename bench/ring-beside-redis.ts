/**
 * The ring beside a plain redis-server, in one interleaved run.
 *
 * Goal: relative figures that can be repeated. Three members of one ring (RF 3, QUORUM for reads and
 * writes), each with its data directory, and one Redis without persistence, all on this machine and
 * all loaded by redis-benchmark with 50 connections. Each round measures every system once, so that
 * what disturbs the machine disturbs all of them; the table shows medians, and the CPU time that the
 * servers (not the load generator) spent per operation.
 *
 *     npm run bench -- --rounds 3 --requests 200000
 */
import { execFile, spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs, promisify } from "node:util";
import Table from "cli-table3";
import { until } from "../test/support/condition.ts";
import { freePorts } from "../test/support/ports.ts";
import { QUORUMS, RingProcesses } from "../test/support/ring-processes.ts";

const run = promisify(execFile);
/** Of /proc/<pid>/stat: Linux reports CPU time in hundredths of a second. */
const TICKS_PER_SECOND = 100;
const VALUE_BYTES = 100;
const CONNECTIONS = 50;
const KEY_SPACE = 100_000;
/** Unpipelined runs are slower, and shorter, by this factor. */
const UNPIPELINED_SHARE = 4;

interface System {
  readonly name: string;
  readonly port: number;
  readonly database: number;
  readonly pids: readonly number[];
}

interface Sample {
  readonly operationsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMicroseconds: number;
}

interface Load {
  readonly command: "set" | "get" | "mset";
  readonly pipeline: number;
  readonly requests: number;
}

export interface BenchOptions {
  readonly rounds: number;
  readonly requests: number;
}

function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS_PER_SECOND;
}

function commandLine(system: System, load: Load): string[] {
  const { port, database } = system;
  const { command, pipeline, requests } = load;
  const target = `-h 127.0.0.1 -p ${port} --dbnum ${database}`;
  const work = `-t ${command} -P ${pipeline} -n ${requests} -c ${CONNECTIONS}`;
  return `${target} ${work} -d ${VALUE_BYTES} -r ${KEY_SPACE} --csv`.split(" ");
}

async function measure(system: System, load: Load): Promise<Sample> {
  const before = cpuSeconds(system.pids);
  const { stdout } = await run("redis-benchmark", commandLine(system, load));
  const spent = cpuSeconds(system.pids) - before;
  const cells = stdout.trim().split("\n").at(-1)?.replaceAll('"', "").split(",") ?? [];
  const number = (fromEnd: number): number => Number(cells.at(fromEnd));
  return {
    operationsPerSecond: number(-7),
    p50Ms: number(-4),
    p99Ms: number(-2),
    cpuMicroseconds: (spent / load.requests) * 1e6,
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function loads(requests: number): Load[] {
  const unpipelined = Math.ceil(requests / UNPIPELINED_SHARE);
  return [
    { command: "set", pipeline: 1, requests: unpipelined },
    { command: "get", pipeline: 1, requests: unpipelined },
    { command: "set", pipeline: 16, requests },
    { command: "get", pipeline: 16, requests },
    { command: "mset", pipeline: 16, requests: Math.ceil(requests / 10) },
  ];
}

async function startRedis(): Promise<{ system: System; stop: () => void } | undefined> {
  if (spawnSync("redis-server", ["--version"]).error !== undefined) {
    console.log("redis-server is not installed: its rows are left out");
    return undefined;
  }
  const [port = 0] = await freePorts(1);
  const flags = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  const child = spawn("redis-server", flags, { stdio: "ignore" });
  const ping = (): boolean =>
    spawnSync("redis-cli", ["-p", String(port), "ping"])
      .stdout.toString()
      .startsWith("PONG");
  await until("redis-server answers", ping);
  const pids = [child.pid ?? 0];
  return {
    system: { name: "redis-server, no persistence", port, database: 0, pids },
    stop: () => void child.kill(),
  };
}

async function startRing(): Promise<{ systems: System[]; ring: RingProcesses }> {
  const ring = await RingProcesses.start({ members: 3, flags: ["--log-level", "warn"] });
  const systems: System[] = [];
  for (const [database, durability] of ["memory", "fsync"].entries()) {
    await ring.createKeyspace({
      // Without a number redis-benchmark stays in the keyspace that connections start in.
      name: database === 0 ? "default" : durability,
      ...QUORUMS,
      durability,
    });
    const pids = ring.members.map(({ child }) => child?.pid ?? 0);
    const name = `ring of 3, RF 3, QUORUM, ${durability}`;
    systems.push({ name, port: ring.member(0).respPort, database, pids });
  }
  return { systems, ring };
}

/** Runs all rounds and prints the table. Resolves with the samples by row. */
export async function benchRing(options: BenchOptions): Promise<Map<string, Sample[]>> {
  const redis = await startRedis();
  const { systems, ring } = await startRing();
  if (redis !== undefined) systems.push(redis.system);
  const samples = new Map<string, Sample[]>();
  try {
    for (let round = 0; round < options.rounds; round++) {
      for (const load of loads(options.requests)) {
        for (const system of systems) {
          const row = `${load.command.toUpperCase()} -P ${load.pipeline}|${system.name}`;
          samples.set(row, [...(samples.get(row) ?? []), await measure(system, load)]);
        }
      }
    }
  } finally {
    await ring.stop();
    redis?.stop();
  }
  print(samples, options);
  return samples;
}

function print(samples: ReadonlyMap<string, readonly Sample[]>, options: BenchOptions): void {
  const table = new Table({
    head: ["load", "system", "ops/s (min-max)", "p50 ms", "p99 ms", "server CPU us/op"],
    colAligns: ["left", "left", "right", "right", "right", "right"],
    style: { head: [], border: [] },
  });
  for (const [row, measured] of samples) {
    const rates = measured.map(({ operationsPerSecond }) => operationsPerSecond);
    const shown = [median(rates), Math.min(...rates), Math.max(...rates)].map((rate) =>
      Math.round(rate).toLocaleString("en-US"),
    );
    table.push([
      ...row.split("|"),
      `${shown[0]} (${shown[1]}-${shown[2]})`,
      median(measured.map(({ p50Ms }) => p50Ms)).toFixed(2),
      median(measured.map(({ p99Ms }) => p99Ms)).toFixed(2),
      median(measured.map(({ cpuMicroseconds }) => cpuMicroseconds)).toFixed(1),
    ]);
  }
  console.log(table.toString());
  const [processor] = cpus();
  const command = `npm run bench -- --rounds ${options.rounds} --requests ${options.requests}`;
  console.log(`${cpus().length} x ${processor?.model}, Node.js ${process.version}; ${command}`);
  console.log(
    `each cell: redis-benchmark -c ${CONNECTIONS} -d ${VALUE_BYTES} -r ${KEY_SPACE} -P <1|16> ` +
      `-t <set|get|mset>; median of ${options.rounds} interleaved rounds`,
  );
}

if (process.argv[1]?.endsWith("ring-beside-redis.ts") === true) {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "3" },
      requests: { type: "string", default: "200000" },
    },
  });
  if (spawnSync("redis-benchmark", ["--version"]).error === undefined) {
    await benchRing({ rounds: Number(values.rounds), requests: Number(values.requests) });
  } else {
    console.error("redis-benchmark is not installed and makes the load: install redis-tools");
    process.exitCode = 1;
  }
}
