/**
 * Streaming without a network: cells of 16-byte keys and 100-byte values go from one log engine to
 * another, both in memory, chunk by chunk.
 *
 *   npx tsx bench/stream.bench.ts           a short run
 *   npx tsx bench/stream.bench.ts large     half a million cells
 *
 * Figures are microseconds per cell, by the clock and in CPU time of all threads of the process, and
 * megabytes of chunks per second by the clock. Source and receiver share one thread here.
 */
import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
import { pathToFileURL } from "node:url";
import { crc32 } from "../src/codec/crc32.ts";
import { StreamChunk, encodeStreamRequest } from "../src/codec/stream-frames.ts";
import { RangeSync } from "../src/healing/range-sync.ts";
import { readChunk } from "../src/healing/stream-source.ts";
import type { SyncDuty } from "../src/layout/transition.ts";
import { silentLogger } from "../src/model/deps.ts";
import { realClock } from "../src/node/real-clock.ts";
import { LogEngine } from "../src/storage/log/log-engine.ts";
import { MemoryDisk } from "../src/storage/memory-disk.ts";

export interface StreamBenchRow {
  readonly name: string;
  readonly cells: number;
  readonly wallMicroseconds: number;
  readonly cpuMicroseconds: number;
  readonly megabytesPerSecond: number;
}

export interface StreamBenchOptions {
  readonly isLarge: boolean;
  readonly log: (line: string) => void;
}

const KEYSPACE = 1;
const LAYOUT = { counter: 1, hash: 1 };
const LIMITS = { maxBytes: 128 << 10, maxCells: 300 };
const WHOLE_RING = { startHi: 0, startLo: 0, endHi: 0, endLo: 0 };

/** Runs everything; the rows are in the order of the table. */
export async function runStreamBench(options: StreamBenchOptions): Promise<StreamBenchRow[]> {
  const cells = options.isLarge ? 500_000 : 5000;
  const source = await openEngine();
  fill(source, cells);
  const bench = new StreamBench(source, cells, options.log);
  await bench.checksum();
  await bench.serve("heads");
  await bench.serve("values");
  await bench.sync("copy into an empty store", false);
  await bench.sync("compare with an equal store", true);
  await source.close();
  return bench.rows;
}

class StreamBench {
  readonly rows: StreamBenchRow[] = [];
  readonly #source: LogEngine;
  readonly #cells: number;
  readonly #log: (line: string) => void;

  constructor(source: LogEngine, cells: number, log: (line: string) => void) {
    this.#source = source;
    this.#cells = cells;
    this.#log = log;
  }

  checksum(): Promise<void> {
    const chunk = new Uint8Array(LIMITS.maxBytes).map((_, index) => index * 31);
    const rounds = Math.ceil(this.#cells / 100);
    return this.#measure("checksum of a chunk (per chunk)", rounds, () => {
      for (let round = 0; round < rounds; round++) crc32(chunk, 0, chunk.length);
      return Promise.resolve(rounds * chunk.length);
    });
  }

  /** The source's half, and the receiver's check. */
  serve(kind: "heads" | "values"): Promise<void> {
    return this.#measure(`serve and check ${kind}`, this.#cells, () => {
      let [bytes, cells] = [0, 0];
      let span = WHOLE_RING;
      for (let isComplete = false; !isComplete;) {
        const body = encodeStreamRequest({ kind, span, ...LIMITS }, LAYOUT);
        const chunk = new StreamChunk(readChunk(this.#source, KEYSPACE, body), KEYSPACE);
        chunk.visit(() => cells++);
        bytes += chunk.sizeBytes;
        ({ isComplete } = chunk);
        span = { ...WHOLE_RING, startHi: chunk.cursorHi, startLo: chunk.cursorLo };
      }
      if (cells !== this.#cells) throw new Error(`${cells} of ${this.#cells} cells came`);
      return Promise.resolve(bytes);
    });
  }

  /** Both halves, with the put into a store; into one that has everything already: heads. */
  async sync(name: string, isEqual: boolean): Promise<void> {
    const receiver = await openEngine();
    if (isEqual) fill(receiver, this.#cells);
    await this.#measure(name, this.#cells, async () => {
      let done = (): void => {};
      const isDone = new Promise<void>((resolve) => (done = resolve));
      const unlimited = { bytesPerSecond: 1e15, cellsPerSecond: 1e15 };
      const sync = new RangeSync(
        {
          engine: receiver,
          clock: realClock,
          logger: silentLogger,
          isAlive: () => true,
          ask: ({ keyspaceId, makeBody }) =>
            Promise.resolve(readChunk(this.#source, keyspaceId, makeBody(LAYOUT))),
          onProgress: () => {
            if (sync.state().phase === "done") done();
          },
        },
        unlimited,
      );
      sync.start([dutyOf(isEqual)]);
      await isDone;
      const { cells } = receiver.stats();
      if (cells !== this.#cells) throw new Error(`${cells} of ${this.#cells} cells came`);
      return sync.state().bytes;
    });
    await receiver.close();
  }

  async #measure(name: string, count: number, work: () => Promise<number>): Promise<void> {
    const startMs = performance.now();
    const startCpu = process.cpuUsage();
    const bytes = await work();
    const elapsedMs = performance.now() - startMs;
    const { user, system } = process.cpuUsage(startCpu);
    const row = {
      name,
      cells: count,
      wallMicroseconds: (elapsedMs * 1000) / count,
      cpuMicroseconds: (user + system) / count,
      megabytesPerSecond: bytes / 1e6 / (elapsedMs / 1000),
    };
    this.rows.push(row);
    const wall = row.wallMicroseconds.toFixed(2).padStart(8);
    const cpu = row.cpuMicroseconds.toFixed(2).padStart(8);
    const speed = row.megabytesPerSecond.toFixed(0).padStart(6);
    this.#log(`${name.padEnd(32)} ${wall} us ${cpu} us CPU ${speed} MB/s`);
  }
}

/** The whole ring; a receiver that is one of four replicas compares with another one. */
function dutyOf(isReplica: boolean): SyncDuty {
  const members = isReplica ? ["r", "s", "t", "u"] : ["s"];
  const replicas = members.map((id) => ({ id, dc: "" }));
  const about = { keyspaceId: KEYSPACE, start: 0n, end: 0n, receiver: "r", target: ["r"] };
  return { ...about, source: isReplica ? undefined : "s", replicas, holders: ["s"] };
}

async function openEngine(): Promise<LogEngine> {
  const engine = new LogEngine({
    disk: new MemoryDisk({ clock: realClock }),
    clock: realClock,
    logger: silentLogger,
  });
  await engine.open();
  return engine;
}

function fill(engine: LogEngine, cells: number): void {
  const key = Buffer.alloc(16);
  const value = Buffer.alloc(100, 7);
  const sink = {
    stored: () => {},
    putFailed: (error: Error) => {
      throw error;
    },
  };
  for (let number = 0; number < cells; number++) {
    key.writeUInt32LE(number, 0);
    engine.put(
      {
        keyspaceId: KEYSPACE,
        tokenHi: Math.imul(number * 2 + 1, 0x9e37_79b1),
        tokenLo: Math.imul(number * 2 + 1, 0x85eb_ca6b) >>> 0,
        key,
        value,
        timestamp: 1 + number,
        writer: 1,
        expiresAtMs: 0,
      },
      "memory",
      sink,
    );
  }
}

async function main(): Promise<void> {
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"]).toString().trim();
  const processor = `${cpus().length} x ${cpus()[0]?.model ?? "unknown"}`;
  console.log(`Node ${process.version}, ${processor}, commit ${commit}`);
  await runStreamBench({ isLarge: process.argv.includes("large"), log: console.log });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  main().catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
}
