/**
 * The storage engines side by side, in process, on a real disk: random puts, gets and scans of cells
 * with 16-byte keys and 100-byte values.
 *
 *   npx tsx bench/storage.bench.ts           a short run
 *   npx tsx bench/storage.bench.ts large     a million keys
 *
 * Puts come in turns of the event loop, 50 or 1000 of them in each, as from 50 clients without and with
 * pipelining. Files lie under the system's temporary directory (TMPDIR chooses another).
 *
 * Figures are microseconds per operation, by the clock and in CPU time of all threads of the process;
 * background work of the engines (merging, index snapshots, syncs) is in both.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Durability } from "../src/model/consistency.ts";
import { silentLogger } from "../src/model/deps.ts";
import { realClock } from "../src/node/real-clock.ts";
import type { CellWrite, PutSink, StorageEngine } from "../src/storage/engine.ts";
import { LmdbEngine } from "../src/storage/lmdb/lmdb-engine.ts";
import { LogEngine } from "../src/storage/log/log-engine.ts";
import { RealDisk } from "../src/storage/real-disk.ts";
import { SeededRng, randomBelow } from "../src/util/random.ts";

export interface StorageBenchRow {
  readonly engine: string;
  readonly name: string;
  readonly operations: number;
  readonly wallMicroseconds: number;
  readonly cpuMicroseconds: number;
  /** Of what the work came to: equal for all engines. */
  readonly checksum: number;
}

export interface StorageBenchOptions {
  readonly isLarge: boolean;
  readonly log: (line: string) => void;
}

const VALUE_BYTES = 100;
const KEYSPACE = 1;
/** Puts that wait for a sync, at most: a client does not run ahead for ever. */
const UNACKNOWLEDGED_MAX = 2000;
const WHOLE_RING = { startHi: 0, startLo: 0, endHi: 0, endLo: 0 };

interface PutLoad {
  readonly count: number;
  readonly perTurn: number;
  readonly durability: Durability;
  /** The number of the next key. */
  readonly next: () => number;
}

type MakeEngine = (directory: string) => StorageEngine;

const ENGINES: readonly MakeEngine[] = [
  (directory) =>
    new LogEngine({
      disk: new RealDisk(join(directory, "log")),
      clock: realClock,
      logger: silentLogger,
    }),
  (directory) =>
    new LmdbEngine(
      { clock: realClock, logger: silentLogger },
      { directory: join(directory, "lmdb") },
    ),
];

/** Runs everything, one engine after the other. */
export async function runStorageBench(
  options: StorageBenchOptions,
): Promise<readonly StorageBenchRow[]> {
  const rows: StorageBenchRow[] = [];
  for (const make of ENGINES) {
    const directory = mkdtempSync(join(tmpdir(), "dynaring-bench-"));
    try {
      const engine = make(directory);
      await engine.open();
      await new EngineBench(engine, options, rows).run();
      await engine.close();
      const again = make(directory);
      const bench = new EngineBench(again, options, rows);
      await bench.measure("open again", 1, async () => (await again.open()).cells);
      await again.close();
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
  return rows;
}

class EngineBench {
  readonly #engine: StorageEngine;
  readonly #rows: StorageBenchRow[];
  readonly #log: (line: string) => void;
  readonly #keys: number;
  readonly #durablePuts: number;
  readonly #rng = new SeededRng(1);
  readonly #key = Buffer.alloc(16);
  readonly #value = new Uint8Array(VALUE_BYTES).fill(7);
  #timestamp = 1;
  #acknowledged = 0;
  readonly #sink: PutSink = {
    stored: () => void this.#acknowledged++,
    putFailed: (error) => {
      throw error;
    },
  };

  constructor(engine: StorageEngine, options: StorageBenchOptions, rows: StorageBenchRow[]) {
    this.#engine = engine;
    this.#rows = rows;
    this.#log = options.log;
    this.#keys = options.isLarge ? 1_000_000 : 2_000;
    this.#durablePuts = options.isLarge ? 200_000 : 1_000;
  }

  async run(): Promise<void> {
    const keys = this.#keys;
    const any = () => randomBelow(this.#rng, keys);
    let next = 0;
    const durable = this.#durablePuts;
    const load = { count: keys, perTurn: 1000, durability: "memory", next: () => next++ } as const;
    await this.#measurePuts("load", load);
    for (const [durability, perTurn, count] of [
      ["memory", 50, keys],
      ["interval", 50, keys],
      ["interval", 1000, keys],
      ["fsync", 50, durable],
      ["fsync", 1000, keys],
    ] as const) {
      await this.#measurePuts("overwrite", { count, perTurn, durability, next: any });
    }
    await this.measure("get", keys, () => this.#getMany(any));
    await this.measure("head", keys, () => this.#headMany(any));
    await this.measure("scan of heads", keys, () => this.#scan(false));
    await this.measure("scan with values", keys, () => this.#scan(true));
  }

  /** `work` returns a checksum. */
  async measure(
    name: string,
    operations: number,
    work: () => number | Promise<number>,
  ): Promise<void> {
    const cpuBefore = process.cpuUsage();
    const wallBefore = performance.now();
    const checksum = await work();
    const cpu = process.cpuUsage(cpuBefore);
    const row = {
      engine: this.#engine.name,
      name,
      operations,
      wallMicroseconds: ((performance.now() - wallBefore) * 1000) / operations,
      cpuMicroseconds: (cpu.user + cpu.system) / operations,
      checksum,
    };
    this.#rows.push(row);
    const wall = row.wallMicroseconds.toFixed(2).padStart(12);
    const cpuText = row.cpuMicroseconds.toFixed(2).padStart(12);
    this.#log(`${row.engine.padEnd(6)}${name.padEnd(36)}${wall} us${cpuText} us CPU`);
  }

  async #measurePuts(what: string, load: PutLoad): Promise<void> {
    const { count, perTurn, durability, next } = load;
    const name = `${what}, ${perTurn} a turn, ${durability}`;
    await this.measure(name, count, async () => {
      this.#acknowledged = 0;
      for (let done = 0; done < count;) {
        for (let put = 0; put < perTurn && done < count; put++, done++) {
          this.#put(next(), durability);
        }
        do await turn();
        while (done - this.#acknowledged > UNACKNOWLEDGED_MAX);
      }
      while (this.#acknowledged < count) await turn();
      return this.#acknowledged;
    });
  }

  #put(number: number, durability: Durability): void {
    const write: CellWrite = {
      keyspaceId: KEYSPACE,
      ...tokenOf(number),
      key: this.#keyOf(number),
      value: this.#value,
      timestamp: this.#timestamp++,
      writer: 1,
      expiresAtMs: 0,
    };
    this.#engine.put(write, durability, this.#sink);
  }

  #getMany(next: () => number): number {
    let bytes = 0;
    for (let done = 0; done < this.#keys; done++) {
      const number = next();
      const { tokenHi, tokenLo } = tokenOf(number);
      const found = this.#engine.get(KEYSPACE, tokenHi, tokenLo, this.#keyOf(number));
      bytes += found?.value?.length ?? 0;
    }
    return bytes;
  }

  #headMany(next: () => number): number {
    let bytes = 0;
    for (let done = 0; done < this.#keys; done++) {
      const number = next();
      const { tokenHi, tokenLo } = tokenOf(number);
      bytes += this.#engine.head(KEYSPACE, tokenHi, tokenLo, this.#keyOf(number))?.valueBytes ?? 0;
    }
    return bytes;
  }

  #scan(values: boolean): number {
    const scan = this.#engine.scan(KEYSPACE, WHOLE_RING, { values });
    let sum = 0;
    const visit = ({ contentHash }: { readonly contentHash: number }): void => {
      sum = (sum + contentHash) % 0x1_0000_0000;
    };
    while (scan.next(1000, visit) > 0);
    scan.close();
    return sum;
  }

  #keyOf(number: number): Uint8Array {
    this.#key.writeUInt32LE(number, 0);
    return this.#key;
  }
}

/** Spread like hashes; the same number has the same token. */
function tokenOf(number: number): { tokenHi: number; tokenLo: number } {
  const tokenHi = Math.imul(number * 2 + 1, 0x9e37_79b1);
  return { tokenHi, tokenLo: Math.imul(number * 2 + 1, 0x85eb_ca6b) >>> 0 };
}

async function turn(): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve);
  });
}

async function main(): Promise<void> {
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"]).toString().trim();
  const processor = `${cpus().length} x ${cpus()[0]?.model ?? "unknown"}`;
  console.log(`Node ${process.version}, ${processor}, commit ${commit}`);
  await runStorageBench({ isLarge: process.argv.includes("large"), log: console.log });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  main().catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
}
