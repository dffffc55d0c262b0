import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Partitioner } from "../ring/partitioner.ts";
import { PARTITIONER_NAMES, createPartitioner } from "../ring/partitioners/by-name.ts";
import { MAX_TOKEN, MIN_TOKEN, TokenError, tokenFromHalves } from "../ring/token.ts";
import { SeededRng } from "../util/random.ts";
import { buildReplicaTable } from "./replica-table.ts";
import { type RingPositions, createRingPositions } from "./ring-positions.ts";

const SEED = 7;
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decimal = (tokens: fc.Arbitrary<bigint>): fc.Arbitrary<string> => tokens.map(String);
const textOf = (units: readonly string[], maxLength: number): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...units), { maxLength }).map((parts) => parts.join(""));

interface Subject {
  readonly keys: fc.Arbitrary<Uint8Array>;
  /** Tokens that a member may own, close to those of keys where that is possible. */
  readonly tokens: fc.Arbitrary<string>;
}

const anyKeys = fc.uint8Array({ maxLength: 40 });
const crowdedBytes = (maxLength: number): fc.Arbitrary<Uint8Array> =>
  fc
    .array(fc.constantFrom(0, 1, 0x6d, 0x6e, 0xfe, 0xff), { maxLength })
    .map((bytes) => Uint8Array.from(bytes));
// The last two sort otherwise as code units than as UTF-8.
const UNITS = [
  "a",
  "b",
  "~",
  "\u0000",
  "\u007f",
  "\u0080",
  "é",
  "\u07ff",
  "\u0800",
  "\uffff",
  "😀",
];
const COLLATED = ["a", "A", "b", "0", "z", "é", "!", " ", "ß", "æ", "中", "\u0000", "Z", "-"];
const DIGITS_AND_LETTERS = ["a", "b", "0", "9", "z", "m"];

const SUBJECTS: Readonly<Record<string, Subject>> = {
  Murmur3Partitioner: { keys: anyKeys, tokens: decimal(fc.bigInt(MIN_TOKEN, MAX_TOKEN)) },
  // Multiples of 2^63: with others, see below.
  RandomPartitioner: {
    keys: anyKeys,
    tokens: decimal(fc.bigInt(0n, 2n ** 64n - 1n).map((grain) => grain << 63n)),
  },
  ByteOrderedPartitioner: {
    keys: crowdedBytes(11),
    tokens: crowdedBytes(7).map((bytes) => Buffer.from(bytes).toString("hex")),
  },
  OrderPreservingPartitioner: {
    keys: fc.oneof(textOf(UNITS, 9).map(encode), crowdedBytes(5)),
    tokens: textOf(UNITS, 7).filter((text) => lengthOfUnits(text) <= 7),
  },
  CollatingOrderPreservingPartitioner: {
    keys: fc.oneof(textOf(COLLATED, 4), textOf([...DIGITS_AND_LETTERS, "M"], 14)).map(encode),
    tokens: fc.oneof(textOf(DIGITS_AND_LETTERS, 3), textOf(DIGITS_AND_LETTERS, 12)),
  },
  RedisSlotPartitioner: { keys: anyKeys, tokens: decimal(fc.bigInt(0n, 16_383n)) },
  DynomitePartitioner: { keys: anyKeys, tokens: decimal(fc.bigInt(0n, 2n ** 32n - 1n)) },
};

/** Dynomite's hashes differ in nothing that positions know of: one of them will do. */
const NAMES = PARTITIONER_NAMES.filter((name) => !name.includes("("));

function lengthOfUnits(text: string): number {
  return Array.from({ length: text.length }, (_, at) => text.charCodeAt(at)).reduce(
    (sum, unit) => sum + (unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3),
    0,
  );
}

/** Every partitioner, its tokens only compared, never looked into. */
function make(name: string): { partitioner: Partitioner<unknown>; positions: RingPositions } {
  const partitioner = createPartitioner(name);
  return {
    partitioner: partitioner as unknown as Partitioner<unknown>,
    positions: createRingPositions(partitioner),
  };
}

function positionOfKey(
  positions: RingPositions,
  key: Uint8Array,
  hasher = positions.createHasher(),
): bigint {
  const padded = Uint8Array.of(0xff, ...key, 0xff);
  hasher.hash(padded, 1, 1 + key.length);
  return tokenFromHalves(hasher.hi, hasher.lo);
}

/** The first `count` distinct owners from the first token that is not before the key's. */
function replicasByTokens(
  partitioner: Partitioner<unknown>,
  tokenLists: readonly (readonly string[])[],
  key: Uint8Array,
  count: number,
): readonly number[] {
  const ring = tokenLists
    .flatMap((tokens, owner) => tokens.map((text) => ({ token: partitioner.parse(text), owner })))
    .sort((a, b) => partitioner.compare(a.token, b.token));
  const token = partitioner.hash(key);
  const found = ring.findIndex((own) => partitioner.compare(own.token, token) >= 0);
  const start = Math.max(0, found);
  const owners = [...ring.slice(start), ...ring.slice(0, start)].map(({ owner }) => owner);
  return [...new Set(owners)].slice(0, count);
}

describe.each(NAMES)("positions of %s", (name) => {
  const { keys, tokens } = SUBJECTS[name]!;

  it("give every key the replicas that comparing tokens gives", () => {
    const { partitioner, positions } = make(name);
    const rings = fc
      .uniqueArray(tokens, {
        minLength: 1,
        maxLength: 12,
        comparator: (a, b) => partitioner.compare(partitioner.parse(a), partitioner.parse(b)) === 0,
      })
      .map((all) => [0, 1, 2, 3].map((owner) => all.filter((_, at) => at % 4 === owner)));
    fc.assert(
      fc.property(rings, fc.array(keys, { minLength: 20, maxLength: 20 }), (lists, some) => {
        const members = positions
          .positionsOf(lists)
          .map((owned) => ({ dc: "dc1", rack: "r1", tokens: owned }));
        const factor = { total: 2, transient: 0 };
        const table = buildReplicaTable({ members, replication: { kind: "simple", factor } });
        const hasher = positions.createHasher();
        for (const key of some) {
          hasher.hash(key, 0, key.length);
          const expected = replicasByTokens(partitioner, lists, key, 2);
          expect(table.lookup(hasher.hi, hasher.lo).members).toEqual(expected);
        }
      }),
      { seed: SEED, numRuns: 100 },
    );
  });

  it("are in the order of tokens, those of keys among themselves and beside those of members", () => {
    const { partitioner, positions } = make(name);
    const hasher = positions.createHasher();
    fc.assert(
      fc.property(keys, keys, tokens, (a, b, owned) => {
        const first = positionOfKey(positions, a, hasher);
        const second = positionOfKey(positions, b, hasher);
        const order = partitioner.compare(partitioner.hash(a), partitioner.hash(b));
        const isInOrder = order < 0 ? first <= second : first >= second;
        expect(isInOrder).toBe(true);
        expect(order === 0 && first !== second).toBe(false);
        const isUpTo = partitioner.compare(partitioner.hash(a), partitioner.parse(owned)) <= 0;
        expect(first <= positions.positionOf(owned)).toBe(isUpTo);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  it("belong to keys alone: a hasher gives them before and after any other key", () => {
    const { positions } = make(name);
    const hasher = positions.createHasher();
    fc.assert(
      fc.property(keys, keys, (key, other) => {
        const once = positionOfKey(positions, key);
        hasher.hash(other, 0, other.length);
        hasher.hash(key, 0, key.length);
        expect(tokenFromHalves(hasher.hi, hasher.lo)).toBe(once);
      }),
      { seed: SEED, numRuns: 10 },
    );
  });

  it("are distinct for tokens drawn at random, all of which may be owned", () => {
    const { positions } = make(name);
    const rng = new SeededRng(SEED);
    const drawn = [...new Set(Array.from({ length: 64 }, () => positions.randomToken(rng)))];
    const owned = positions.positionsOf([drawn])[0]!;
    expect(drawn.length).toBeGreaterThan(60);
    expect(new Set(owned).size).toBe(drawn.length);
  });
});

it("keys and members have the same position where they have the same token", () => {
  for (const name of NAMES) {
    const { partitioner, positions } = make(name);
    const keys = name.includes("Order") ? ["", "m", "m0", "zzz"] : ["m", "m0", "customer:1"];
    for (const key of keys.map(encode)) {
      const token = partitioner.format(partitioner.hash(key));
      expect(positionOfKey(positions, key)).toBe(positions.positionOf(token));
    }
  }
});

describe("tokens at positions", () => {
  const hashing = NAMES.filter((name) => !name.includes("Order"));

  it.each(hashing)("are those that have the position, with %s", (name) => {
    const { positions } = make(name);
    fc.assert(
      fc.property(SUBJECTS[name]!.tokens, fc.bigInt(MIN_TOKEN, MAX_TOKEN), (token, any) => {
        expect(positions.tokenAt(positions.positionOf(token))).toBe(token);
        expect(positions.positionOf(positions.tokenAt(any)!) >= any).toBe(true);
      }),
      { seed: SEED },
    );
    expect(positions.compareKeys).toBeUndefined();
  });

  it("are unknown where keys are not hashed, and keys have an order instead", () => {
    const ordered = NAMES.filter((name) => name.includes("Order"));
    expect(ordered).toHaveLength(3);
    for (const name of ordered) {
      const { positions } = make(name);
      expect(positions.tokenAt(0n)).toBeUndefined();
      const names = ["customer:2", "customer:1", "b", "customer", "a"].map(encode);
      const sorted = names.sort(positions.compareKeys).map((key) => new TextDecoder().decode(key));
      expect(sorted).toEqual(["a", "b", "customer", "customer:1", "customer:2"]);
    }
    const collating = make("CollatingOrderPreservingPartitioner").positions;
    const words = ["B", "a", "A", "b", "a\u0000"].map(encode).sort(collating.compareKeys);
    expect(words.map((key) => new TextDecoder().decode(key))).toEqual([
      "a",
      "a\u0000",
      "A",
      "b",
      "B",
    ]);
  });
});

describe("a token that a running ring cannot use", () => {
  it.each([
    ["ByteOrderedPartitioner", "6162636465666768", /at most 14 hex digits/],
    ["OrderPreservingPartitioner", "abcdefgh", /at most 7 bytes of text/],
    ["OrderPreservingPartitioner", "ééé€", /at most 7 bytes of text/],
    ["CollatingOrderPreservingPartitioner", "abcdefghijklm", /at most 12 lower-case letters/],
    ["CollatingOrderPreservingPartitioner", "M", /lower-case letters and digits/],
    ["RandomPartitioner", "-1", /from 0 to/],
    ["RedisSlotPartitioner", "16384", /from 0 to 16383/],
    ["Murmur3Partitioner", "x", /decimal integer/],
  ])("is refused by %s: %j", (name, token, message) => {
    const { positions } = make(name);
    expect(() => positions.positionOf(token)).toThrow(TokenError);
    expect(() => positions.positionsOf([[token]])).toThrow(message);
  });

  it("is one that shares its position with another; the same token may be owned in two racks", () => {
    const { positions } = make("RandomPartitioner");
    const [one, close, far] = ["100", "101", String(2n ** 64n)] as const;
    expect(positions.positionsOf([[one], [far], [one]])).toEqual([
      [MIN_TOKEN + 1n],
      [MIN_TOKEN + 2n],
      [MIN_TOKEN + 1n],
    ]);
    expect(() => positions.positionsOf([[one, far], [close]])).toThrow(
      'invalid token "101": expected a token farther from 100',
    );
    const bytes = make("ByteOrderedPartitioner").positions;
    expect(bytes.positionsOf([["0a"], ["A"]])[0]).toEqual(bytes.positionsOf([["A"]])[0]);
  });
});

describe("RandomPartitioner's positions", () => {
  const { partitioner, positions } = make("RandomPartitioner");

  it("cover its ring from end to end, and shares stay", () => {
    const at = (token: bigint): bigint => positions.positionOf(String(token));
    expect([0n, 1n, 2n ** 63n, 2n ** 63n + 1n].map(at)).toEqual([
      MIN_TOKEN,
      MIN_TOKEN + 1n,
      MIN_TOKEN + 1n,
      MIN_TOKEN + 2n,
    ]);
    expect([2n ** 125n, 2n ** 126n, 3n * 2n ** 125n].map(at)).toEqual([
      MIN_TOKEN / 2n,
      0n,
      -MIN_TOKEN / 2n,
    ]);
    expect([2n ** 127n - 2n ** 64n, 2n ** 127n - 2n ** 63n, 2n ** 127n].map(at)).toEqual([
      MAX_TOKEN - 1n,
      MAX_TOKEN,
      MAX_TOKEN,
    ]);
    expect(positionOfKey(positions, new Uint8Array(0))).toBe(MIN_TOKEN);
  });

  it("of keys are those of their tokens", () => {
    fc.assert(
      fc.property(anyKeys, (key) => {
        const token = partitioner.hash(key) as bigint;
        const expected = token < 0n ? MIN_TOKEN : positions.positionOf(String(token));
        expect(positionOfKey(positions, key)).toBe(expected);
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  it("agree with tokens that are no multiples too, for all keys that anybody will find", () => {
    const rng = new SeededRng(SEED);
    const tokens = Array.from({ length: 64 }, () => positions.randomToken(rng));
    const lists = tokens.map((token) => [token]);
    const members = positions
      .positionsOf(lists)
      .map((owned) => ({ dc: "dc1", rack: "r1", tokens: owned }));
    const factor = { total: 1, transient: 0 };
    const table = buildReplicaTable({ members, replication: { kind: "simple", factor } });
    const hasher = positions.createHasher();
    for (let number = 0; number < 2000; number++) {
      const key = encode(`key:${number}`);
      hasher.hash(key, 0, key.length);
      const expected = replicasByTokens(partitioner, lists, key, 1);
      expect(table.lookup(hasher.hi, hasher.lo).members).toEqual(expected);
    }
  });
});

it("a key that CollatingOrderPreserving cannot read is refused with its bytes", () => {
  const { positions } = make("CollatingOrderPreservingPartitioner");
  expect(() => positionOfKey(positions, Uint8Array.of(0xff))).toThrow(/"ff".*valid UTF-8/);
});
