import { expect, test } from "vitest";
import type { SyncDuty } from "../layout/transition.ts";
import { UntrustedDataError } from "../util/untrusted.ts";
import { DutyProgress, recordProgress, restoreProgress } from "./sync-progress.ts";

const DUTY: SyncDuty = {
  keyspaceId: 1,
  start: -100n,
  end: 100n,
  receiver: "r",
  source: "a",
  replicas: [
    { id: "a", dc: "" },
    { id: "b", dc: "" },
  ],
  holders: ["a", "b"],
  target: ["b", "r"],
};

function progressOf(duty: SyncDuty): DutyProgress {
  return new DutyProgress(duty, 0);
}

/** A pass through "a" that is half through durably, and further on otherwise. */
function begun(duty: SyncDuty = DUTY): DutyProgress {
  const progress = progressOf(duty);
  progress.passes[0]!.durable = 0n;
  progress.passes[0]!.position = 50n;
  return progress;
}

function throughFile(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown;
}

test("only what is durable is written down", () => {
  const again = progressOf(DUTY);
  restoreProgress([again], throughFile(recordProgress([begun()])));
  expect(again.passes.map(({ holder, position, durable }) => [holder, position, durable])).toEqual([
    ["a", 0n, 0n],
    ["b", "start", "start"],
  ]);
  expect(again.rest(again.passes[0]!)).toEqual({ start: 0n, end: 100n });
  expect(again.share()).toBe(0.5);
});

test("a pass that is through, and a duty that is met, are remembered as such", () => {
  const [through, met] = [begun({ ...DUTY, start: 0n }), begun()];
  through.passes[1]!.durable = "done";
  met.isFinished = true;
  const record = throughFile(recordProgress([through, met]));
  const again = [progressOf({ ...DUTY, start: 0n }), progressOf(DUTY)];
  restoreProgress(again, record);
  expect(again.map(({ isFinished }) => isFinished)).toEqual([false, true]);
  expect(again[0]!.passes[1]!.isDone).toBe(true);
});

test.each<[string, Partial<SyncDuty>]>([
  ["keyspace", { keyspaceId: 2 }],
  ["start", { start: -101n }],
  ["end", { end: 101n }],
  ["source", { source: undefined }],
  ["replica before", { replicas: [...DUTY.replicas, { id: "c", dc: "" }] }],
  ["datacenter of a replica", { replicas: [{ id: "a", dc: "x" }, DUTY.replicas[1]!] }],
  ["replica after", { target: ["c", "r"] }],
])("progress is not taken over by a duty with another %s", (_, change) => {
  const record = throughFile(recordProgress([begun()]));
  const other = progressOf({ ...DUTY, ...change });
  restoreProgress([other], record);
  expect(other.passes.every(({ position }) => position === "start")).toBe(true);
});

test("thousands of ranges of the same replicas are one group, and untouched duties none", () => {
  const many = Array.from({ length: 1000 }, (_, index) =>
    begun({ ...DUTY, start: BigInt(-100 - index) }),
  );
  const untouched = progressOf({ ...DUTY, target: ["x"] });
  const { groups } = recordProgress([...many, untouched]);
  expect(groups.map(({ ranges }) => ranges.length)).toEqual([1000]);
});

test("a record that is none is refused", () => {
  const record = recordProgress([begun()]);
  const group = record.groups[0]!;
  for (const wrong of [
    [],
    {},
    { groups: [{}] },
    { groups: [{ ...group, keyspaceId: -1 }] },
    { groups: [{ ...group, ranges: [{ ...group.ranges[0], start: "x" }] }] },
    { groups: [{ ...group, ranges: [{ ...group.ranges[0], passes: { a: 5 } }] }] },
  ]) {
    expect(() => restoreProgress([], wrong)).toThrow(UntrustedDataError);
  }
});
