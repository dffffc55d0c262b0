import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { write } from "../engine-harness.suite.ts";
import {
  decodeAddress,
  decodeHead,
  decodeValue,
  encodeKey,
  encodeToken,
  encodeValue,
  isValueOf,
} from "./lmdb-format.ts";

const halves = { tokenHi: fc.integer(), tokenLo: fc.nat({ max: 0xffff_ffff }) };

describe("cells in LMDB", () => {
  it("come back as they were put", () => {
    const cells = fc.record({
      ...halves,
      keyspaceId: fc.nat({ max: 65_535 }),
      key: fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.uint8Array({ minLength: 1890, maxLength: 1920 }),
      ),
      value: fc.option(fc.uint8Array({ maxLength: 50 }), { nil: undefined }),
      timestamp: fc.maxSafeNat(),
      writer: fc.nat({ max: 0xffff_ffff }),
      expiresAtMs: fc.maxSafeNat(),
    });
    fc.assert(
      fc.property(cells, fc.nat({ max: 0xffff_ffff }), (cell, hash) => {
        const key = encodeKey(cell, 0);
        const value = encodeValue(cell, hash);
        const { keyspaceId, tokenHi, tokenLo, timestamp, writer, expiresAtMs } = cell;
        expect(key.length).toBeLessThanOrEqual(1978);
        const address = decodeAddress(key, value);
        expect(address).toMatchObject({ keyspaceId, tokenHi, tokenLo });
        expect(Buffer.compare(address.key, cell.key)).toBe(0);
        expect(decodeHead(value)).toEqual({
          timestamp,
          writer,
          expiresAtMs,
          contentHash: hash,
          isTombstone: cell.value === undefined,
          valueBytes: cell.value?.length ?? 0,
        });
        const found = decodeValue(value);
        expect(found === undefined ? undefined : new Uint8Array(found)).toEqual(cell.value);
        expect(isValueOf(value, cell.key)).toBe(true);
      }),
    );
  });

  it("lie in the order of keyspace, token and key", () => {
    const addresses = fc.record({
      ...halves,
      keyspaceId: fc.nat({ max: 2 }),
      key: fc.uint8Array({ maxLength: 3 }),
    });
    fc.assert(
      fc.property(addresses, addresses, (a, b) => {
        const expected =
          a.keyspaceId - b.keyspaceId ||
          a.tokenHi - b.tokenHi ||
          a.tokenLo - b.tokenLo ||
          Buffer.compare(a.key, b.key);
        const order = Buffer.compare(encodeKey(a, 0), encodeKey(b, 0));
        expect(Math.sign(order)).toBe(Math.sign(expected));
        const token = encodeToken(a.keyspaceId, a.tokenHi, a.tokenLo);
        expect(Buffer.compare(token, encodeKey(a, 0))).toBeLessThanOrEqual(0);
      }),
    );
  });

  it("tell colliding long keys apart by the key that stands in the value", () => {
    const key = new Uint8Array(5000).fill(1);
    const other = new Uint8Array(5000).fill(1);
    other[4999] = 2;
    const value = encodeValue(write({ key }), 0);
    expect(isValueOf(value, key)).toBe(true);
    expect(isValueOf(value, other)).toBe(false);
    expect(Buffer.compare(encodeKey(write({ key }), 0), encodeKey(write({ key }), 1))).toBe(-1);
  });
});
