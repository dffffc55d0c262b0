import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SeededRng } from "../../util/random.ts";
import { TokenIndex } from "./token-index.ts";
import { KEY_REFERENCE, TOKEN_HI, TOKEN_LO } from "./slots.ts";

const options = { arenaChunkBytes: 16 * 1024, indexBucketBits: 8 };

function add(index: TokenIndex, hi: number, lo: number, key: Uint8Array): number {
  const found = index.find(hi, lo, key);
  if (found !== 0) return found;
  const slot = index.slots.allocate();
  index.slots.setWord(slot, TOKEN_HI, hi ^ 0x8000_0000);
  index.slots.setWord(slot, TOKEN_LO, lo);
  index.slots.setWord(slot, KEY_REFERENCE, index.keys.add(key));
  index.slots.setKeyBytes(slot, key.length, false);
  index.insert(slot);
  return slot;
}

function walk(index: TokenIndex): string[] {
  const seen: string[] = [];
  index.find(-0x8000_0000, 0, new Uint8Array());
  for (let slot = index.cursorSlot(); slot !== 0; slot = index.cursorSlot()) {
    const key = index.keys.view(index.slots.word(slot, KEY_REFERENCE), index.slots.keyBytes(slot));
    const hi = (index.slots.word(slot, TOKEN_HI) ^ 0x8000_0000) | 0;
    seen.push(`${hi},${index.slots.word(slot, TOKEN_LO)},${Buffer.from(key).toString("hex")}`);
    index.advance();
  }
  return seen;
}

describe("TokenIndex", () => {
  const half = fc.oneof(fc.integer(), fc.integer({ min: -2, max: 2 }));
  const entry = fc.tuple(half, half, fc.uint8Array({ maxLength: 4 }));

  it("walks in the order of token and key, and finds what was added", () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 400 }), (entries) => {
        const index = new TokenIndex(options);
        const model = new Map<string, [number, number, Uint8Array]>();
        for (const [hi, lo, key] of entries) {
          add(index, hi, lo >>> 0, key);
          model.set(`${hi},${lo >>> 0},${Buffer.from(key).toString("hex")}`, [hi, lo >>> 0, key]);
        }
        const sorted = [...model.entries()].sort(
          ([, a], [, b]) => a[0] - b[0] || a[1] - b[1] || Buffer.compare(a[2], b[2]),
        );
        expect(walk(index)).toEqual(sorted.map(([name]) => name));
        expect(index.entryCount).toBe(model.size);
      }),
    );
  });

  it.each(["one token", "ascending tokens", "random tokens"])(
    "holds twenty thousand keys on %s",
    (distribution) => {
      const index = new TokenIndex(options);
      const rng = new SeededRng(7);
      const names: string[] = [];
      for (let number = 0; number < 20_000; number++) {
        const isOne = distribution === "one token";
        const isRandom = distribution === "random tokens";
        const hi = isOne ? 5 : isRandom ? rng.uint32() | 0 : number >>> 8;
        const lo = isOne ? 9 : isRandom ? rng.uint32() : number;
        const key = new Uint8Array(8);
        new DataView(key.buffer).setUint32(0, Math.imul(number, 0x9e37_79b1));
        add(index, hi, lo, key);
        names.push(`${hi},${lo},${Buffer.from(key).toString("hex")}`);
        expect(index.find(hi, lo, key)).not.toBe(0);
      }
      expect(walk(index).sort()).toEqual(names.sort());
    },
  );

  it("does not find a key on another token, nor a prefix of a key", () => {
    const index = new TokenIndex(options);
    add(index, 1, 2, Uint8Array.of(1, 2, 3));
    expect(index.find(1, 3, Uint8Array.of(1, 2, 3))).toBe(0);
    expect(index.find(1, 2, Uint8Array.of(1, 2))).toBe(0);
    expect(index.find(1, 2, Uint8Array.of(1, 2, 3))).toBe(1);
  });
});
