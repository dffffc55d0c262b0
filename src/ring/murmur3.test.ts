import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { types } from "cassandra-driver";
import { describe, expect, it } from "vitest";
import { SeededRng, randomBelow } from "../util/random.ts";
import { Murmur3, type Murmur3Engine, createHalvesMurmur3 } from "./murmur3.ts";
import { createWasmMurmur3 } from "./murmur3-wasm.ts";
import { MAX_TOKEN, MIN_TOKEN, tokenFromHalves } from "./token.ts";

const VECTORS = readFileSync(new URL("testdata/murmur3.txt", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => line.split(" ") as [string, string, string, string])
  .map(([hex, h1, token]) => ({
    key: hex === "-" ? Buffer.alloc(0) : Buffer.from(hex, "hex"),
    h1: BigInt(h1),
    token: BigInt(token),
  }));

const ENGINES: readonly [string, () => Murmur3Engine][] = [
  ["wasm", () => createWasmMurmur3()!],
  ["halves", createHalvesMurmur3],
];

describe.each(ENGINES)("Murmur3 on %s", (_, makeEngine) => {
  it("gives the tokens and raw words of the vectors", () => {
    expect(VECTORS.length).toBe(80);
    const murmur = new Murmur3(makeEngine());
    const results = VECTORS.map(({ key }) => {
      murmur.hash(key, 0, key.length);
      const h1 = tokenFromHalves(murmur.h1Hi, murmur.h1Lo);
      return { key, h1, token: tokenFromHalves(murmur.hi, murmur.lo) };
    });
    expect(results).toEqual(VECTORS.map(({ key, h1, token }) => ({ key, h1, token })));
  });

  it("equals a BigInt implementation in both words, wherever the key lies in its buffer", () => {
    const murmur = new Murmur3(makeEngine());
    const rng = new SeededRng(1);
    for (let round = 0; round < 20_000; round++) {
      const buffer = randomBytes(rng, randomBelow(rng, 120));
      const start = randomBelow(rng, buffer.length + 1);
      const end = start + randomBelow(rng, buffer.length - start + 1);
      murmur.hash(buffer, start, end);
      const [h1, h2] = naiveMurmur3(buffer.subarray(start, end));
      expect(tokenFromHalves(murmur.h1Hi, murmur.h1Lo)).toBe(h1);
      expect(tokenFromHalves(murmur.h2Hi, murmur.h2Lo)).toBe(h2);
    }
  });

  it("takes whole keys and parts of arrays of every length, whatever the key before left behind", () => {
    const murmur = new Murmur3(makeEngine());
    const rng = new SeededRng(3);
    const before = new Uint8Array(400).fill(0xff);
    for (let length = 0; length < 200; length++) {
      const buffer = randomBytes(rng, length + 2);
      const key = new Uint8Array(buffer.subarray(1, length + 1));
      const expected = length === 0 ? MIN_TOKEN : naiveMurmur3(key)[0];
      for (const [bytes, start] of [
        [key, 0],
        [buffer, 1],
      ] as const) {
        murmur.hash(before, 0, before.length);
        murmur.hash(bytes, start, start + length);
        expect(tokenFromHalves(murmur.hi, murmur.lo)).toBe(expected);
      }
    }
  });

  it("equals cassandra-driver's tokenizer on 100,000 random keys", () => {
    const murmur = new Murmur3(makeEngine());
    const rng = new SeededRng(2);
    const tokenizer = driverTokenizer();
    const wrong: string[] = [];
    for (let round = 0; round < 100_000; round++) {
      const key = randomBytes(rng, 1 + randomBelow(rng, 69));
      murmur.hash(key, 0, key.length);
      // The driver knows neither the empty key nor the rule for the minimum; the vectors do.
      const expected = tokenizer.hash(key).getValue().toImmutable();
      const isEqual =
        murmur.hi === expected.getHighBits() && murmur.lo === expected.getLowBits() >>> 0;
      if (!isEqual) wrong.push(key.toString("hex"));
    }
    expect(wrong).toEqual([]);
  });

  it("hashes keys larger than its memory, and small ones after them", () => {
    const murmur = new Murmur3(makeEngine());
    for (const size of [65_503, 65_504, 65_505, 65_519, 65_520, 65_536, 300_000, 5]) {
      const key = randomBytes(new SeededRng(size), size);
      murmur.hash(key, 0, key.length);
      expect(tokenFromHalves(murmur.hi, murmur.lo)).toBe(naiveMurmur3(key)[0]);
    }
  });
});

it("uses WebAssembly by default where the host has it", () => {
  expect(createWasmMurmur3()).toBeDefined();
});

it("falls back to plain arithmetic where WebAssembly is forbidden", () => {
  const original = Reflect.get(globalThis, "WebAssembly") as unknown;
  try {
    Object.assign(globalThis, { WebAssembly: undefined });
    expect(createWasmMurmur3()).toBeUndefined();
    const forbidden = class {
      constructor() {
        throw new Error("refused by policy");
      }
    };
    Object.assign(globalThis, { WebAssembly: { Module: forbidden, Instance: forbidden } });
    expect(createWasmMurmur3()).toBeUndefined();
    const murmur = new Murmur3();
    murmur.hash(Buffer.from("123"), 0, 3);
    expect(tokenFromHalves(murmur.hi, murmur.lo)).toBe(-7468325962851647638n);
  } finally {
    Object.assign(globalThis, { WebAssembly: original });
  }
});

it("keeps two instances apart", () => {
  const [one, other] = [new Murmur3(), new Murmur3()];
  one.hash(Buffer.from("0"), 0, 1);
  other.hash(Buffer.from("01"), 0, 2);
  expect(tokenFromHalves(one.hi, one.lo)).toBe(3083240331115144064n);
  expect(tokenFromHalves(one.h1Hi, one.h1Lo)).toBe(3083240331115144064n);
});

it("never gives a key the minimum token, except the empty key", () => {
  const murmur = new Murmur3();
  const inverted = VECTORS.find(({ h1 }) => h1 === MIN_TOKEN)!;
  murmur.hash(inverted.key, 0, inverted.key.length);
  expect(tokenFromHalves(murmur.hi, murmur.lo)).toBe(MAX_TOKEN);
  murmur.hash(inverted.key, 3, 3);
  expect(tokenFromHalves(murmur.hi, murmur.lo)).toBe(MIN_TOKEN);
});

interface DriverTokenizer {
  hash(key: Buffer): { getValue(): { toImmutable(): types.Long } };
}

function driverTokenizer(): DriverTokenizer {
  const { Murmur3Tokenizer } = createRequire(import.meta.url)(
    "cassandra-driver/lib/tokenizer.js",
  ) as { Murmur3Tokenizer: new () => DriverTokenizer };
  return new Murmur3Tokenizer();
}

function randomBytes(rng: SeededRng, size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, () => rng.uint32() & 255));
}

const rotate = (value: bigint, bits: bigint): bigint =>
  BigInt.asUintN(64, (value << bits) | (value >> (64n - bits)));
const times = (a: bigint, b: bigint): bigint => BigInt.asUintN(64, a * b);
const plus = (a: bigint, b: bigint): bigint => BigInt.asUintN(64, a + b);

/** The same function, written from the definition. */
function naiveMurmur3(key: Uint8Array): [bigint, bigint] {
  const [c1, c2] = [0x87c37b91114253d5n, 0x4cf5ad432745937fn];
  const tailAt = key.length - (key.length % 16);
  const word = (at: number): bigint =>
    Array.from(key.subarray(at, at + 8)).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const tailWord = (at: number): bigint =>
    Array.from(key.subarray(at, Math.min(at + 8, key.length))).reduce(
      (sum, byte, index) =>
        sum ^ BigInt.asUintN(64, BigInt.asIntN(8, BigInt(byte)) << BigInt(8 * index)),
      0n,
    );
  const mix1 = (k: bigint): bigint => times(rotate(times(k, c1), 31n), c2);
  const mix2 = (k: bigint): bigint => times(rotate(times(k, c2), 33n), c1);
  let [h1, h2] = [0n, 0n];
  for (let at = 0; at < tailAt; at += 16) {
    h1 = plus(times(plus(rotate(h1 ^ mix1(word(at)), 27n), h2), 5n), 0x52dce729n);
    h2 = plus(times(plus(rotate(h2 ^ mix2(word(at + 8)), 31n), h1), 5n), 0x38495ab5n);
  }
  h1 ^= mix1(tailWord(tailAt)) ^ BigInt(key.length);
  h2 ^= mix2(tailWord(tailAt + 8)) ^ BigInt(key.length);
  const avalanche = (h: bigint): bigint => {
    const first = times(h ^ (h >> 33n), 0xff51afd7ed558ccdn);
    const second = times(first ^ (first >> 33n), 0xc4ceb9fe1a85ec53n);
    return second ^ (second >> 33n);
  };
  h1 = plus(h1, h2);
  h2 = plus(h2, h1);
  h1 = avalanche(h1);
  h2 = avalanche(h2);
  h1 = plus(h1, h2);
  h2 = plus(h2, h1);
  return [BigInt.asIntN(64, h1), BigInt.asIntN(64, h2)];
}
