import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { PageCell, ScanKeys } from "../codec/packed-frames.ts";
import { silentLogger } from "../model/deps.ts";
import { createRingPositions } from "../placement/ring-positions.ts";
import { createPartitioner } from "../ring/partitioners/by-name.ts";
import { LogEngine } from "../storage/log/log-engine.ts";
import { MemoryDisk } from "../storage/memory-disk.ts";
import { ManualClock } from "../model/manual-clock.suite.ts";
import { type KeyOrder, keyOrderOf } from "./key-order.ts";
import { scanLocally } from "./local-scan.ts";
import { queryOf } from "./scan-span.ts";
import { must } from "../util/assert.ts";
import { MIN_TOKEN, tokenHi, tokenLo } from "../ring/token.ts";

const ORDERED = [
  "ByteOrderedPartitioner",
  "OrderPreservingPartitioner",
  "CollatingOrderPreservingPartitioner",
];
const LAST = 2n ** 64n - 1n;

let engine: LogEngine;

afterEach(() => engine.close());

async function filled(order: KeyOrder, keys: readonly string[]): Promise<void> {
  const clock = new ManualClock();
  clock.defer = (callback) => queueMicrotask(callback);
  engine = new LogEngine({ clock, logger: silentLogger, disk: new MemoryDisk({ clock }) });
  await engine.open();
  for (const text of keys) {
    const key = Buffer.from(text);
    const token = order.positionOf(key) + MIN_TOKEN;
    engine.put(
      {
        keyspaceId: 1,
        tokenHi: tokenHi(token),
        tokenLo: tokenLo(token),
        key,
        value: Buffer.from(`value of ${text.slice(0, 50)}`),
        timestamp: 1,
        writer: 1,
        expiresAtMs: 0,
      },
      "memory",
      { stored: () => {}, putFailed: (error) => expect.fail(error.message) },
    );
  }
}

/** All cells that a query asks for, page by page, each page from the last key of the one before. */
function pagesOf(keyOrder: KeyOrder, limit: number, keys: ScanKeys): (readonly PageCell[])[] {
  const pages: (readonly PageCell[])[] = [];
  let { from, isAfter } = keys;
  for (;;) {
    const first = from === undefined ? 0n : keyOrder.positionOf(from);
    const span = queryOf({ first, last: LAST }, limit);
    const query = { ...span, keys: { ...keys, from, isAfter } };
    const { cells, isComplete, last } = scanLocally({ engine, keyOrder }, 1, query);
    pages.push(cells);
    if (isComplete) return pages;
    from = must(last ?? cells.at(-1)?.key, "a page that is cut ends at a key");
    isAfter = true;
  }
}

describe.each(ORDERED)("pages of %s", (partitioner) => {
  const order = must(keyOrderOf(createRingPositions(createPartitioner(partitioner))), "an order");
  const text = fc.string({ unit: fc.constantFrom("a", "B", "7", "é", "-", "😀"), maxLength: 12 });
  const key = fc.oneof(
    text,
    text.map((end) => `same seven ${end}`),
    text.map((end) => `${"long".repeat(480)}${end}`),
  );

  it("hold each key of a range once, in order, with its value, and are full", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(key, { maxLength: 60 }),
        fc.record(
          { from: key, to: key, prefix: fc.oneof(text, fc.constant("same seven a")) },
          {
            requiredKeys: [],
          },
        ),
        fc.integer({ min: 1, max: 25 }),
        async (keys, { from, to, prefix }, limit) => {
          const bytes = (one: string | undefined): Uint8Array | undefined =>
            one === undefined ? undefined : Buffer.from(one);
          await filled(order, keys);
          const compare = (a: string, b: string): number =>
            order.compare(Buffer.from(a), Buffer.from(b));
          const expected = keys
            .filter((one) => from === undefined || compare(one, from) >= 0)
            .filter((one) => to === undefined || compare(one, to) < 0)
            .filter((one) => one.startsWith(prefix ?? ""))
            .toSorted(compare);
          const bounds = { from: bytes(from), to: bytes(to), prefix: bytes(prefix) };
          const pages = pagesOf(order, limit, { ...bounds, isAfter: false, values: true });
          const seen = pages.flat();
          expect(seen.map((cell) => Buffer.from(cell.key).toString())).toEqual(expected);
          for (const cell of seen) {
            const name = Buffer.from(cell.key).toString().slice(0, 50);
            expect(Buffer.from(cell.value ?? []).toString()).toBe(`value of ${name}`);
          }
          const full = pages.slice(0, -1).map(({ length }) => length);
          expect(full.every((length) => length === limit)).toBe(true);
          await engine.close();
        },
      ),
      { numRuns: 40 },
    );
  });

  it("end after a while where nothing is wanted, and go on from there", async () => {
    const keys = Array.from({ length: 9000 }, (_, at) => `${(at * 7919) % 9000}`.padStart(5, "b"));
    await filled(order, [...keys, "c", "b", "zz"]);
    const wanted = { isAfter: false, prefix: Buffer.from("z"), values: false };
    const pages = pagesOf(order, 100, wanted);
    expect(pages.map(({ length }) => length)).toEqual([0, 0, 1]);
    const all = pagesOf(order, 100, { isAfter: false, values: false });
    expect(all.flat()).toHaveLength(9003);
    expect(all.slice(0, -1).every(({ length }) => length === 100)).toBe(true);
  });
});
