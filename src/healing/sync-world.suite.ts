/** A small world for the tests of fetching: one receiver, and others whose stores it may ask. */
import type { SyncDuty } from "../layout/transition.ts";
import type { CellWrite } from "../model/cell-write.ts";
import { silentLogger } from "../model/deps.ts";
import { ManualClock } from "../model/manual-clock.suite.ts";
import { tokenHi, tokenLo } from "../ring/token.ts";
import type { TokenSpan } from "../storage/engine.ts";
import { NaiveEngine, describeRow, noSink } from "../storage/naive-engine.suite.ts";
import { compareHeads } from "../versions/compare.ts";
import {
  RangeSync,
  type RangeSyncDeps,
  type RangeSyncOptions,
  type RangeSyncState,
} from "./range-sync.ts";
import type { SyncRecord } from "./sync-progress.ts";
import { type Fate, makeAsk } from "./testing.suite.ts";

export const KEYSPACE = 1;
export const SMALL: Partial<RangeSyncOptions> = {
  bytesPerSecond: 1e6,
  cellsPerSecond: 1e6,
  chunkBytes: 300,
  chunkCells: 4,
  checkpointBytes: 600,
};

/** The receiver "r" and others that may hold something. */
export class World {
  readonly clock: ManualClock = new ManualClock();
  own: NaiveEngine = new NaiveEngine(this.clock);
  readonly others: Map<string, NaiveEngine> = new Map();
  readonly dead: Set<string> = new Set();
  readonly questions: { memberId: string; kind: number }[] = [];
  fate: (memberId: string, keyspaceId: number) => Fate = () => "answer";
  /** What the lead writes down at each progress. */
  saved: unknown;
  /** Cells that were written down as fetched while a power failure could still take them. */
  readonly lost: string[] = [];
  sync: RangeSync;
  duties: readonly SyncDuty[] = [];
  readonly options: Partial<RangeSyncOptions>;

  constructor(ids: readonly string[], options: Partial<RangeSyncOptions> = SMALL) {
    for (const id of ids) this.others.set(id, new NaiveEngine());
    this.options = options;
    this.sync = this.make();
  }

  make(deps: Partial<RangeSyncDeps> = {}): RangeSync {
    const { clock, own, others } = this;
    const asked = makeAsk({
      clock,
      engines: others,
      fate: ({ memberId, keyspaceId, makeBody }) => {
        this.questions.push({ memberId, kind: makeBody({ counter: 1, hash: 1 })[8] as number });
        return this.dead.has(memberId) ? "DOWN" : this.fate(memberId, keyspaceId);
      },
      delayMs: 3,
    });
    const sync = new RangeSync(
      {
        engine: own,
        clock,
        logger: silentLogger,
        ask: asked,
        isAlive: (id) => !this.dead.has(id),
        onProgress: () => {
          if (this.sync !== sync) return;
          const record = sync.record();
          this.saved = JSON.parse(JSON.stringify(record));
          this.#checkSaved(record);
        },
        ...deps,
      },
      this.options,
    );
    return sync;
  }

  /** What is written down as done is there after a power failure. */
  #checkSaved({ groups }: SyncRecord): void {
    const durable = this.own.afterCrash();
    const passes = groups.flatMap(({ ranges, replicas }) =>
      ranges.flatMap(({ start, end, isFinished, passes: begun }) => {
        // Which of several holders were enough is not written down.
        const all = isFinished && replicas.length === 1 ? { [replicas[0]!.id]: "done" } : begun;
        return Object.entries(all).map(([holder, at]) => {
          const stop = at === "done" ? end : at;
          return { holder, span: spanOf({ start: BigInt(start), end: BigInt(stop) }) };
        });
      }),
    );
    for (const { holder, span } of passes) {
      for (const row of this.others.get(holder)?.rows(KEYSPACE, span) ?? []) {
        const head = durable.head(KEYSPACE, row.tokenHi, row.tokenLo, row.key);
        if (head !== undefined && compareHeads(head, row) >= 0) continue;
        this.lost.push(`${describeRow(row)} of ${holder}`);
      }
    }
  }

  put(at: string, write: CellWrite): void {
    (this.others.get(at) ?? this.own).put(write, "memory", noSink);
  }

  start(...duties: readonly SyncDuty[]): void {
    this.duties = duties;
    this.sync.start(duties);
  }

  /** Another process goes on where this one wrote down to be; after a crash without its last words. */
  async restart(isCrash: boolean): Promise<void> {
    const before = this.sync;
    if (isCrash) {
      this.own = this.own.afterCrash();
      this.sync = this.make();
      await this.clock.settled(before.cancel());
    } else {
      await this.clock.settled(before.stop());
      this.sync = this.make();
    }
    const { saved: record, duties } = this;
    this.sync.start(duties, record === undefined ? undefined : { record, duties });
  }

  /** Waits for the end, and throws if there is none. */
  async run(): Promise<RangeSyncState> {
    await this.clock.runUntil(() => this.sync.state().phase === "done");
    const state = this.sync.state();
    const isThrough = state.rangesDone === this.duties.length && state.share === 1;
    if (state.phase !== "done" || !isThrough) throw new Error(JSON.stringify(state));
    if (this.lost.length > 0) throw new Error(`not durable: ${this.lost.join("; ")}`);
    return state;
  }
}

export function duty(extra: Partial<SyncDuty> & { holders: readonly string[] }): SyncDuty {
  return {
    keyspaceId: KEYSPACE,
    start: -(2n ** 40n),
    end: 2n ** 40n,
    receiver: "r",
    source: undefined,
    replicas: extra.holders.map((id) => ({ id, dc: "" })),
    target: ["r"],
    ...extra,
  };
}

export function cellOf(index: number, extra: Partial<CellWrite> = {}): CellWrite {
  return {
    keyspaceId: KEYSPACE,
    // Three cells share each token.
    tokenHi: (Math.floor(index / 3) % 7) - 4,
    tokenLo: Math.floor(index / 3),
    key: Buffer.from(`key-${index}`),
    value: Buffer.from(`value-${index}`),
    timestamp: 100,
    writer: 1,
    expiresAtMs: 0,
    ...extra,
  };
}

export function spanOf({ start, end }: Pick<SyncDuty, "start" | "end">): TokenSpan {
  return {
    startHi: tokenHi(start),
    startLo: tokenLo(start),
    endHi: tokenHi(end),
    endLo: tokenLo(end),
  };
}
