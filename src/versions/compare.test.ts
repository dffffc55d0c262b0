import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type OrderedHead, compareHeads, compareVersions, newestHead } from "./compare.ts";

/** Few values, so that ties are common. */
const heads: fc.Arbitrary<OrderedHead> = fc.record({
  timestamp: fc.constantFrom(0, 1, 2, 2 ** 53 - 1),
  writer: fc.constantFrom(0, 1, 0xffff_ffff),
  isTombstone: fc.boolean(),
  contentHash: fc.constantFrom(0, 1, 0x8000_0000, 0xffff_ffff),
});

/** The same order, spelled as text: zero-padded fields compare like numbers. */
function sortKey(head: OrderedHead): string {
  const fields = [head.timestamp, head.writer, head.isTombstone ? 1 : 0, head.contentHash];
  return fields.map((field) => String(field).padStart(17, "0")).join(":");
}

const head = (fields: Partial<OrderedHead>): OrderedHead => ({
  timestamp: 5,
  writer: 5,
  isTombstone: false,
  contentHash: 5,
  ...fields,
});

describe("order of cells", () => {
  test("a later timestamp wins over everything else", () => {
    expect(compareHeads(head({ timestamp: 6, writer: 0 }), head({ isTombstone: true }))).toBe(1);
  });

  test("at one timestamp the greater writer wins", () => {
    expect(compareHeads(head({ writer: 6 }), head({ isTombstone: true }))).toBe(1);
    expect(compareVersions(head({ writer: 6 }), head({}))).toBe(1);
  });

  test("at one version a tombstone wins over a value", () => {
    expect(compareHeads(head({ isTombstone: true, contentHash: 0 }), head({}))).toBe(1);
  });

  test("at one version of two values the greater unsigned hash wins", () => {
    expect(compareHeads(head({ contentHash: 0xffff_ffff }), head({ contentHash: 1 }))).toBe(
      0xffff_fffe,
    );
    expect(compareHeads(head({ contentHash: -1 }), head({ contentHash: 0xffff_ffff }))).toBe(0);
  });

  test("it is the order of the fields written out", () => {
    fc.assert(
      fc.property(heads, heads, (a, b) => {
        const [left, right] = [sortKey(a), sortKey(b)];
        const expected = left === right ? 0 : left < right ? -1 : 1;
        expect(Math.sign(compareHeads(a, b))).toBe(expected);
      }),
    );
  });

  test("versions are ordered as the cells are, as far as versions differ", () => {
    fc.assert(
      fc.property(heads, heads, (a, b) => {
        const order = Math.sign(compareVersions(a, b));
        expect(order + Math.sign(compareVersions(b, a))).toBe(0);
        expect(order || Math.sign(compareHeads(a, b))).toBe(Math.sign(compareHeads(a, b)));
      }),
    );
  });

  test("merging is commutative, associative and idempotent", () => {
    fc.assert(
      fc.property(heads, heads, heads, (a, b, c) => {
        expect(newestHead(a, b)).toEqual(newestHead(b, a));
        expect(newestHead(newestHead(a, b), c)).toEqual(newestHead(a, newestHead(b, c)));
        expect(newestHead(a, a)).toBe(a);
      }),
    );
  });
});
