/**
 * What clients notice while data move: the 99th percentile of their latencies during a change, beside
 * that of a window right before it, with the same processes and the same load.
 *
 *   npm run build && npx tsx bench/latency-while-moving.ts [--keys 300000] [--value-bytes 200]
 *       [--workers 8] [--pause-ms 5] [--window-seconds 5] [--rounds 3]
 *
 * Four real members at RF 3, clients at LOCAL_QUORUM. Each round moves data in every way there is:
 * replicas copy what another one loses (weight), compare (RF 3 to 2), fetch anew (RF 2 to 3). What
 * is measured lasts from the commit until everybody reads from the new layout. The figures are of
 * all rounds together.
 *
 * Members share the cores of one machine with the load and with one another here, so all that the
 * change costs anybody slows down everybody.
 */
import { availableParallelism } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { TestKeys } from "../test/integration/topology-keys.ts";
import { SteadyLoad } from "../test/integration/topology-load.ts";
import { TopologyRing } from "../test/integration/topology-ring.ts";
import { RingProcesses } from "../test/support/ring-processes.ts";
import type { StagedChangeJson } from "../src/http/topology-views.ts";

const MEMBERS = 4;

export interface LatencyOptions {
  readonly keys: number;
  readonly valueBytes: number;
  readonly workers: number;
  readonly pauseMs: number;
  readonly windowSeconds: number;
  readonly rounds: number;
  /** Further flags of `dynaring node`, e.g. another throttle. */
  readonly flags?: readonly string[];
}

/** One kind of change, all rounds together. */
export interface LatencyRow {
  readonly change: string;
  seconds: number;
  movedBytes: number;
  /** In milliseconds, in no order. */
  readonly before: number[];
  readonly during: number[];
}

export async function measureLatencies(options: LatencyOptions): Promise<LatencyRow[]> {
  const flags = ["--num-tokens", "16", "--log-level", "warn", ...(options.flags ?? [])];
  const processes = await RingProcesses.start({ members: MEMBERS, flags });
  const ports = processes.members.map(({ respPort }) => respPort);
  const load = new SteadyLoad(ports, { ...options, keysPerWorker: 20 });
  try {
    const replication = replicated(3).replication;
    await processes.createKeyspace({ name: "default", replication });
    await new TestKeys(options.keys, options.valueBytes).write(ports[0] ?? 0);
    load.start();
    await pause(1000 * options.windowSeconds);
    const bench = new LatencyBench(new TopologyRing(processes), load, options.windowSeconds);
    for (let round = 0; round < options.rounds; round++) await bench.round();
    if (load.problems.length > 0) throw new Error(load.problems.join("\n"));
    return [...bench.rows.values()];
  } finally {
    await load.stop();
    await processes.stop();
  }
}

class LatencyBench {
  readonly rows: Map<string, LatencyRow> = new Map();
  readonly #ring: TopologyRing;
  readonly #load: SteadyLoad;
  readonly #windowMs: number;

  constructor(ring: TopologyRing, load: SteadyLoad, windowSeconds: number) {
    this.#ring = ring;
    this.#load = load;
    this.#windowMs = 1000 * windowSeconds;
  }

  async round(): Promise<void> {
    const member = this.#ring.address(1);
    await this.#measure("weight 1 to 2", { kind: "weight", member, weight: 2 });
    await this.#measure("weight 2 to 1", { kind: "weight", member, weight: 1 });
    await this.#measure("RF 3 to 2", replicated(2));
    await this.#measure("RF 2 to 3", replicated(3));
  }

  async #measure(name: string, change: StagedChangeJson): Promise<void> {
    const row = this.#row(name);
    this.#load.takeLatencies();
    await pause(this.#windowMs);
    row.before.push(...this.#load.takeLatencies());
    const startMs = performance.now();
    const { counter } = await this.#ring.commit(change);
    await this.#ring.settled(counter);
    row.during.push(...this.#load.takeLatencies());
    row.seconds += (performance.now() - startMs) / 1000;
    row.movedBytes += await this.#ring.movedBytes(counter);
  }

  #row(change: string): LatencyRow {
    const row = this.rows.get(change) ?? {
      change,
      seconds: 0,
      movedBytes: 0,
      before: [],
      during: [],
    };
    this.rows.set(change, row);
    return row;
  }
}

function replicated(factor: number): Extract<StagedChangeJson, { kind: "replication" }> {
  const options = { replication_factor: String(factor) };
  const replication = { class: "SimpleStrategy", options };
  return { kind: "replication", keyspace: "default", replication };
}

function percentile(latenciesMs: readonly number[], share: number): number {
  const ascending = latenciesMs.toSorted((a, b) => a - b);
  return ascending[Math.floor(ascending.length * share)] ?? 0;
}

function tableOf(rows: readonly LatencyRow[]): string {
  const head = [
    "change",
    "s",
    "MB moved",
    "op/s",
    "p50 before",
    "p50",
    "p99 before",
    "p99",
    "ratio",
  ];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const { change, seconds, movedBytes, before, during } of rows) {
    const [before99, during99] = [percentile(before, 0.99), percentile(during, 0.99)];
    table.push([
      change,
      seconds.toFixed(1),
      (movedBytes / 1e6).toFixed(1),
      (during.length / seconds).toFixed(0),
      percentile(before, 0.5).toFixed(2),
      percentile(during, 0.5).toFixed(2),
      before99.toFixed(1),
      during99.toFixed(1),
      (during99 / before99).toFixed(2),
    ]);
  }
  return table.toString();
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      keys: { type: "string", default: "300000" },
      "value-bytes": { type: "string", default: "200" },
      workers: { type: "string", default: "8" },
      "pause-ms": { type: "string", default: "5" },
      "window-seconds": { type: "string", default: "5" },
      rounds: { type: "string", default: "3" },
    },
  });
  const rows = await measureLatencies({
    keys: Number(values.keys),
    valueBytes: Number(values["value-bytes"]),
    workers: Number(values.workers),
    pauseMs: Number(values["pause-ms"]),
    windowSeconds: Number(values["window-seconds"]),
    rounds: Number(values.rounds),
  });
  console.log(`Node ${process.version}, ${availableParallelism()} cores`);
  console.log(tableOf(rows));
}

if (process.argv[1]?.endsWith("latency-while-moving.ts") === true) await main();
