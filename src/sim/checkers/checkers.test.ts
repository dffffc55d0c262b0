/** Each checker against histories written by hand: some that it must accept, some that it must not. */
import { describe, expect, it } from "vitest";
import type {
  HeldCell,
  History,
  Operation,
  ReadRecord,
  Snapshot,
  WriteRecord,
} from "../history.ts";
import { checkAll } from "./all.ts";
import { checkAnswers } from "./answers.ts";
import { checkConvergence } from "./convergence.ts";
import { checkDurability } from "./durability.ts";
import { checkExpiry } from "./expiry.ts";
import { checkMonotonicReads } from "./monotonic-reads.ts";
import { checkNoInvention } from "./no-invention.ts";
import { checkNoLostAcks } from "./no-lost-acks.ts";
import { checkOutcomeHonesty } from "./outcome-honesty.ts";
import { checkWholeScan } from "./whole-scan.ts";

const at = (step: number) => ({ step, atMs: step });
const version = (timestamp: number) => ({ timestamp, writer: 7 });

const COMMON = {
  key: "safe/k",
  member: 0,
  level: "QUORUM",
  waitedMs: 1,
  limitMs: 100,
  isCut: false,
  error: undefined,
} as const;

/** An acknowledged put between steps 10 x id and 10 x id + 5, with version id. */
function put(id: number, changes: Partial<WriteRecord> = {}): WriteRecord {
  return {
    ...COMMON,
    id,
    kind: "put",
    invoked: at(10 * id),
    completed: at(10 * id + 5),
    durability: "fsync",
    expiresAtMs: 0,
    outcome: "ok",
    version: version(id),
    answeredBy: [0, 1],
    ...changes,
  };
}

/** A read of the value that put `of` wrote. */
function get(id: number, of: number | undefined, changes: Partial<ReadRecord> = {}): ReadRecord {
  const found =
    of === undefined
      ? undefined
      : { identity: { operation: of }, version: version(of), expiresAtMs: 0 };
  return {
    ...COMMON,
    id,
    kind: "get",
    invoked: at(10 * id),
    completed: at(10 * id + 5),
    outcome: "ok",
    seen: found?.version,
    found,
    wallMs: 1000,
    ...changes,
  };
}

function cell(of: number, changes: Partial<HeldCell> = {}): HeldCell {
  return {
    version: version(of),
    isTombstone: false,
    expiresAtMs: 0,
    contentHash: of,
    identity: { operation: of },
    ...changes,
  };
}

function snapshot(member: number, cells: Record<string, HeldCell>, step = 1000): Snapshot {
  return { member, at: at(step), reason: "final", cells: new Map(Object.entries(cells)) };
}

function history(operations: readonly Operation[], more: Partial<History> = {}): History {
  return {
    datacenters: ["dc1", "dc1", "dc1"],
    replication: { safe: 3 },
    operations,
    snapshots: [],
    crashes: [],
    drops: [],
    scans: [],
    replicas: new Map(),
    ...more,
  };
}

describe("every checker", () => {
  it("accepts a history in which all is well", () => {
    const held = { "safe/k": cell(4) };
    const good = history(
      [
        put(1),
        get(2, 1),
        put(3, { outcome: "failed", version: undefined, answeredBy: [] }),
        put(4),
        get(5, 4),
        put(6, { kind: "delete", key: "safe/other" }),
        get(7, undefined, { key: "safe/other", seen: version(6) }),
      ],
      {
        snapshots: [snapshot(0, held), snapshot(1, held)],
        replicas: new Map([["safe/k", [0, 1]]]),
      },
    );
    // Member 0 and 1 said that they had stored the delete of the other key.
    expect(checkAll(good).map(({ invariant }) => invariant)).toEqual(["I5", "I5"]);
    expect(checkAll({ ...good, snapshots: [] })).toEqual([]);
  });
});

describe("I1, no lost acknowledgements", () => {
  const broken = (operations: Operation[], more?: Partial<History>): string[] =>
    checkNoLostAcks(history(operations, more)).map(({ invariant }) => invariant);

  it("rejects a quorum read that finds nothing after an acknowledged quorum write", () => {
    expect(broken([put(1), get(2, undefined)])).toEqual(["I1"]);
  });

  it("rejects a read of an older value", () => {
    expect(broken([put(1), put(2), get(3, 1)])).toEqual(["I1"]);
  });

  it("rejects a read that missed an acknowledged delete", () => {
    expect(broken([put(1), put(2, { kind: "delete" }), get(3, 1)])).toEqual(["I1"]);
  });

  it("rejects another value under the acknowledged version", () => {
    expect(broken([put(1), get(2, 5, { seen: version(1) })])).toEqual(["I1"]);
  });

  it("rejects a read that saw the version of a live value and returned nothing", () => {
    expect(broken([put(1), get(2, undefined, { seen: version(1) })])).toEqual(["I1"]);
    expect(
      broken([put(1, { expiresAtMs: 999 }), get(2, undefined, { seen: version(1), wallMs: 1000 })]),
    ).toEqual([]);
    expect(
      broken([
        put(1, { expiresAtMs: 1001 }),
        get(2, undefined, { seen: version(1), wallMs: 1000 }),
      ]),
    ).toEqual(["I1"]);
  });

  it("accepts anything from a read that began before the write was acknowledged", () => {
    expect(broken([put(1, { completed: at(25) }), get(2, undefined)])).toEqual([]);
  });

  it("accepts anything from levels that need not meet", () => {
    expect(broken([put(1, { level: "ONE" }), get(2, undefined)])).toEqual([]);
    expect(broken([put(1, { level: "ONE" }), get(2, undefined, { level: "ALL" })])).toEqual(["I1"]);
    expect(broken([put(1, { level: 2 }), get(2, undefined, { level: 1 })])).toEqual([]);
    expect(broken([put(1, { level: 3 }), get(2, undefined, { level: 1 })])).toEqual(["I1"]);
  });

  it("accepts the loss of what was not synced, when there was a crash of the right kind", () => {
    const lost = [put(1, { durability: "interval" }), get(4, undefined)];
    const crash = (kind: "power" | "kill", step: number) => ({
      crashes: [{ member: 1, kind, at: at(step) }],
    });
    expect(broken(lost)).toEqual(["I1"]);
    expect(broken(lost, crash("power", 20))).toEqual([]);
    expect(broken(lost, crash("kill", 20))).toEqual(["I1"]);
    expect(broken(lost, crash("power", 60))).toEqual(["I1"]);
    expect(
      broken([put(1, { durability: "memory" }), get(4, undefined)], crash("kill", 20)),
    ).toEqual([]);
    expect(broken([put(1), get(4, undefined)], crash("power", 20))).toEqual(["I1"]);
  });

  it("accepts a newer value whose write is still unanswered", () => {
    expect(
      broken([put(1), put(2, { completed: undefined, outcome: "unknown" }), get(3, 2)]),
    ).toEqual([]);
  });
});

describe("I3, no invention", () => {
  const messages = (operations: Operation[], more?: Partial<History>): string[] =>
    checkNoInvention(history(operations, more)).map(({ message }) => message);

  it("rejects a damaged value", () => {
    const found = {
      identity: { problem: "a wrong checksum" },
      version: version(1),
      expiresAtMs: 0,
    };
    expect(messages([put(1), get(2, 1, { found })])).toHaveLength(1);
  });

  it("rejects a value that nobody wrote", () => {
    expect(messages([put(1), get(2, 9)])).toHaveLength(1);
  });

  it("rejects the value of another key", () => {
    expect(messages([put(1, { key: "safe/other" }), get(2, 1)])).toHaveLength(1);
  });

  it("rejects a value seen before it was sent", () => {
    expect(messages([get(1, 2), put(2)])).toHaveLength(1);
  });

  it("rejects another expiry than the one that was sent", () => {
    expect(messages([put(1, { expiresAtMs: 5 }), get(2, 1)])).toHaveLength(1);
  });

  it("rejects one write under two versions", () => {
    const unknown = put(1, { outcome: "unknown", version: undefined });
    const other = { identity: { operation: 1 }, version: version(8), expiresAtMs: 0 };
    expect(messages([unknown, get(2, 1), get(3, 1)])).toEqual([]);
    expect(messages([unknown, get(2, 1), get(3, 1, { found: other })])).toHaveLength(1);
  });

  it("rejects a version that was issued twice", () => {
    expect(messages([put(1), put(2, { version: version(1) })])).toHaveLength(1);
  });

  it("rejects a damaged value in a store", () => {
    const bad = cell(1, { identity: { problem: "a wrong checksum" } });
    expect(messages([put(1)], { snapshots: [snapshot(0, { "safe/k": bad })] })).toHaveLength(1);
  });

  it("rejects a tombstone that no delete can have made", () => {
    const phantom = get(3, undefined, { seen: version(77) });
    const unknownDelete = put(2, { kind: "delete", outcome: "unknown", version: undefined });
    const failedDelete = put(2, { kind: "delete", outcome: "failed", version: undefined });
    expect(messages([put(1), phantom])).toHaveLength(1);
    expect(messages([put(1), failedDelete, phantom])).toHaveLength(1);
    expect(messages([put(1), unknownDelete, phantom])).toEqual([]);
    const another = get(4, undefined, { seen: version(78) });
    expect(messages([put(1), unknownDelete, phantom, another])).toHaveLength(1);
  });
});

describe("I4, honest outcomes", () => {
  const failed = put(1, { outcome: "failed", version: undefined });

  it("rejects a failed write that a read shows, earlier or later", () => {
    expect(checkOutcomeHonesty(history([failed, get(2, 1)]))).toMatchObject([{ invariant: "I4" }]);
    expect(checkOutcomeHonesty(history([get(2, 1), failed]))).toHaveLength(1);
  });

  it("rejects a failed write that lies in a store", () => {
    const snapshots = [snapshot(2, { "safe/k": cell(1) })];
    expect(checkOutcomeHonesty(history([failed], { snapshots }))).toHaveLength(1);
  });

  it("accepts that a write of unknown outcome shows", () => {
    const unknown = put(1, { outcome: "unknown", version: undefined });
    expect(checkOutcomeHonesty(history([unknown, get(2, 1)]))).toEqual([]);
  });
});

describe("I5, durability", () => {
  const check = (operations: Operation[], snapshots: Snapshot[]) =>
    checkDurability(history(operations, { snapshots }));

  it("rejects a replica that lost what it had synced", () => {
    expect(check([put(1)], [snapshot(1, {})])).toMatchObject([{ invariant: "I5" }]);
    expect(check([put(1), put(2)], [snapshot(1, { "safe/k": cell(1) })])).toHaveLength(1);
  });

  it("accepts a newer version, replicas that did not answer, and looks before the answer", () => {
    expect(check([put(1)], [snapshot(1, { "safe/k": cell(2) })])).toEqual([]);
    expect(check([put(1)], [snapshot(2, {})])).toEqual([]);
    expect(check([put(1)], [snapshot(1, {}, 12)])).toEqual([]);
  });

  it("accepts that a member has dropped since what it does not own any more", () => {
    const drop = (step: number, key: string) => ({ member: 1, at: at(step), keys: new Set([key]) });
    const lost = (...drops: History["drops"]): number =>
      checkDurability(history([put(1)], { snapshots: [snapshot(1, {})], drops })).length;
    expect(lost(drop(20, "safe/k"))).toBe(0);
    expect(lost(drop(20, "safe/other"))).toBe(1);
    expect(lost(drop(9, "safe/k"))).toBe(1);
    expect(lost(drop(1001, "safe/k"))).toBe(1);
    expect(lost({ ...drop(20, "safe/k"), member: 2 })).toBe(1);
  });

  it("promises nothing for what was not synced", () => {
    expect(check([put(1, { durability: "memory" })], [snapshot(1, {})])).toEqual([]);
  });
});

describe("I10, convergence", () => {
  const replicas = new Map([["safe/k", [0, 1]]]);
  const check = (...snapshots: Snapshot[]) =>
    checkConvergence(history([], { snapshots, replicas }));

  it("rejects replicas that differ in version, content, expiry or presence", () => {
    const first = snapshot(0, { "safe/k": cell(1) });
    for (const other of [
      { "safe/k": cell(2) },
      { "safe/k": cell(1, { contentHash: 5 }) },
      { "safe/k": cell(1, { expiresAtMs: 5 }) },
      { "safe/k": cell(1, { isTombstone: true, identity: undefined }) },
      {},
    ]) {
      expect(check(first, snapshot(1, other))).toMatchObject([{ invariant: "I10" }]);
    }
    expect(check(first, snapshot(1, { "safe/k": cell(1) }), snapshot(2, {}))).toEqual([]);
  });

  it("rejects a cell at a member that is no replica", () => {
    const held = { "safe/k": cell(1) };
    expect(check(snapshot(0, held), snapshot(1, held), snapshot(2, held))).toHaveLength(1);
  });
});

describe("I11, monotonic reads", () => {
  const broken = (operations: Operation[], more?: Partial<History>): string[] =>
    checkMonotonicReads(history(operations, more)).map(({ invariant }) => invariant);

  it("rejects a quorum read that shows less than an earlier one", () => {
    expect(broken([get(1, 5), get(2, 4)])).toEqual(["I11"]);
    expect(broken([get(1, 5), get(2, undefined)])).toEqual(["I11"]);
    expect(broken([get(1, 5), get(2, 5), get(3, 6)])).toEqual([]);
  });

  it("accepts it from reads that overlap, need not meet, or have a crash between them", () => {
    expect(broken([get(1, 5, { completed: at(25) }), get(2, 4)])).toEqual([]);
    expect(broken([get(1, 5, { level: "ONE" }), get(2, 4)])).toEqual([]);
    const crashes = [{ member: 0, kind: "kill", at: at(17) } as const];
    expect(broken([get(1, 5), get(2, 4)], { crashes })).toEqual([]);
  });
});

describe("I12, expiry", () => {
  it("rejects a value whose time was over by the coordinator's own clock", () => {
    const found = { identity: { operation: 1 }, version: version(1), expiresAtMs: 1000 };
    const check = (wallMs: number) => checkExpiry(history([get(2, 1, { found, wallMs })]));
    expect(check(1000)).toMatchObject([{ invariant: "I12" }]);
    expect(check(999)).toEqual([]);
  });
});

describe("I26, answers", () => {
  it("rejects an operation without an answer, unless its coordinator crashed", () => {
    const silent = { completed: undefined, outcome: "unknown" } as const;
    expect(checkAnswers(history([put(1, silent)]))).toMatchObject([{ invariant: "I26" }]);
    expect(checkAnswers(history([put(1, { ...silent, isCut: true })]))).toEqual([]);
  });

  it("rejects an answer that came too late", () => {
    expect(checkAnswers(history([get(1, undefined, { waitedMs: 101 })]))).toHaveLength(1);
    expect(checkAnswers(history([get(1, undefined, { waitedMs: 100 })]))).toEqual([]);
  });
});

describe("scans", () => {
  const replicas = new Map(
    ["live", "dead", "absent", "expiring"].map((key) => [`safe/${key}`, [0]]),
  );
  const held = {
    "safe/live": cell(1),
    "safe/dead": cell(2, { isTombstone: true, identity: undefined }),
    "safe/expiring": cell(3, { expiresAtMs: 5 }),
  };
  const check = (...keys: string[]) => {
    const scans = [{ keyspace: "safe", member: 0, keys: keys.map((key) => `safe/${key}`) }];
    return checkWholeScan(history([], { scans, replicas, snapshots: [snapshot(0, held)] }));
  };

  it("rejects one that misses a live key or shows a dead one", () => {
    expect(check()).toMatchObject([{ invariant: "scan" }]);
    expect(check("live", "dead")).toHaveLength(1);
    expect(check("live", "absent")).toHaveLength(1);
  });

  it("accepts live keys, also twice, and leaves open what expires", () => {
    expect(check("live", "live")).toEqual([]);
    expect(check("live", "expiring")).toEqual([]);
  });
});
