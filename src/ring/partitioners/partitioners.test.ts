import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SeededRng, randomBelow } from "../../util/random.ts";
import { type HashPartitioner, type Partitioner, sampledOwnership } from "../partitioner.ts";
import { rangeContains } from "../range.ts";
import { PARTITIONER_NAMES, createPartitioner } from "./by-name.ts";
import { ByteOrderedPartitioner } from "./byte-ordered.ts";
import { CollatingOrderPreservingPartitioner } from "./collating.ts";
import { DynomitePartitioner } from "./dynomite.ts";
import { Murmur3Partitioner } from "./murmur3.ts";
import { OrderPreservingPartitioner } from "./order-preserving.ts";
import { RandomPartitioner } from "./random.ts";
import { RedisSlotPartitioner } from "./redis.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const fromHex = (hex: string): Uint8Array => Buffer.from(hex, "hex");
const hex = (token: Uint8Array): string => Buffer.from(token).toString("hex");

function vectors(file: string): string[][] {
  return readFileSync(new URL(`../testdata/${file}`, import.meta.url), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(" "));
}

interface DriverTokenizer {
  /** The token as 32-bit words, the lowest first. */
  hash(key: Buffer): { getValue(): { getBits(word: number): number } };
}

describe("Murmur3Partitioner", () => {
  const murmur3 = new Murmur3Partitioner();
  const [MIN, MAX] = [murmur3.minimum, murmur3.maximum];

  it("hashes as Cassandra does", () => {
    for (const [key, , token] of vectors("murmur3.txt")) {
      expect(murmur3.hash(fromHex(key === "-" ? "" : key!)).toString()).toBe(token);
    }
  });

  it.each([
    [0n, 11n, 5n],
    [-3n, 0n, -2n],
    [MIN, 0n, -4611686018427387904n],
    [0n, MIN, 4611686018427387903n],
    [MIN, MIN, -1n],
    [0n, 0n, MAX],
    [100n, -100n, MAX],
    [5n, 5n, -9223372036854775803n],
    [MAX, MIN, MAX],
    [MAX - 100n, 100n, -4611686018427387904n],
  ])("has Cassandra's midpoint of %d and %d", (left, right, middle) => {
    expect(murmur3.midpoint(left, right)).toBe(middle);
  });

  it.each([
    [-10n, 0n, 0.25, -7n],
    [-3n, 0n, 0.5, -1n],
    [0n, 0n, 0.1, 1844674407370955161n],
    [100n, -100n, 0.1, 1844674407370955241n],
    [MAX - 100n, 100n, 0.1, -8301034833169298308n],
  ])("has Cassandra's split of %d and %d at %d", (left, right, ratio, token) => {
    expect(murmur3.split(left, right, ratio)).toBe(token);
  });

  it("writes tokens as eight bytes, big-endian", () => {
    expect(hex(murmur3.toBytes(-2n))).toBe("fffffffffffffffe");
    expect(() => murmur3.fromBytes(bytes("1234567"))).toThrow(/8 bytes/);
  });

  it("counts ownership on a ring of 2^64 - 2", () => {
    expect(murmur3.ownership(murmur3.even(4)).get(0n)).toBe(0.25);
    expect(murmur3.size(0n, 2n ** 62n)).toBe(0.25);
    expect(murmur3.next(MAX)).toBe(MIN);
  });
});

describe("RandomPartitioner", () => {
  const random = new RandomPartitioner();
  const half = 2n ** 126n;

  it("hashes as Cassandra does", () => {
    const rows = vectors("random-partitioner.txt");
    expect(rows).toHaveLength(36);
    for (const [key, token] of rows) {
      expect(random.hash(fromHex(key === "-" ? "" : key!)).toString()).toBe(token);
    }
  });

  it("equals cassandra-driver's tokenizer on 100,000 random keys", () => {
    const { RandomTokenizer } = createRequire(import.meta.url)(
      "cassandra-driver/lib/tokenizer.js",
    ) as { RandomTokenizer: new () => DriverTokenizer };
    const tokenizer = new RandomTokenizer();
    const rng = new SeededRng(4);
    const wrong: string[] = [];
    for (let round = 0; round < 100_000; round++) {
      const words = Array.from({ length: 1 + randomBelow(rng, 5) }, () => rng.uint32());
      const key = Buffer.from(Uint32Array.from(words).buffer, 0, 4 * words.length - (round % 4));
      const expected = tokenizer.hash(key).getValue();
      const token = random.hash(key);
      const isEqual = [0, 1, 2, 3].every(
        (word) => expected.getBits(word) === Number(BigInt.asIntN(32, token >> BigInt(32 * word))),
      );
      if (!isEqual) wrong.push(key.toString("hex"));
    }
    expect(wrong).toEqual([]);
  });

  it.each([
    [-1n, -1n, half],
    [0n, 11n, 5n],
    [2n ** 127n, 2n ** 127n, half],
    [2n ** 127n - 1n, 1n, 0n],
    [10n, 5n, 85070591730234615865843651857942052871n],
    [-1n, 5n, 2n],
    [100n, 0n, 85070591730234615865843651857942052914n],
  ])("has Cassandra's midpoint of %d and %d", (left, right, middle) => {
    expect(random.midpoint(left, right)).toBe(middle);
  });

  it.each([
    [0n, 100n, 0.1, 10n],
    [-1n, -1n, 0.25, 42535295865117307932921825928971026432n],
    [2n ** 127n - 10n, 10n, 0.75, 5n],
    [100n, 50n, 0.1, 17014118346046923173168730371588410667n],
    [3n, 10n, 0.5, 6n],
  ])("has Cassandra's split of %d and %d at %d", (left, right, ratio, token) => {
    expect(random.split(left, right, ratio)).toBe(token);
  });

  it("writes the shortest two's complement form", () => {
    const forms = [-1n, 0n, 127n, 128n, 255n, 2n ** 127n].map((t) => hex(random.toBytes(t)));
    expect(forms).toEqual(["ff", "00", "7f", "0080", "00ff", "0080000000000000000000000000000000"]);
    expect(() => random.fromBytes(new Uint8Array(18))).toThrow(/1 to 17 bytes/);
  });

  it("gives exact shares as 32-bit floats", () => {
    expect(random.ownership([0n])).toEqual(new Map([[0n, 1]]));
    const thirds = [...random.ownership(random.even(3)).values()];
    expect(thirds).toEqual(thirds.map(() => Math.fround(1 / 3)));
  });

  it("accepts tokens from 0 to 2^127 as text", () => {
    expect(random.parse(String(2n ** 127n))).toBe(2n ** 127n);
    expect(() => random.parse("-1")).toThrow(/from 0 to/);
    expect(() => random.parse(String(2n ** 127n + 1n))).toThrow(/from 0 to/);
  });
});

describe("ByteOrderedPartitioner", () => {
  const ordered = new ByteOrderedPartitioner();

  it.each([
    ["61", "63", "62"],
    ["61", "62", "6180"],
    ["62", "61", "e180"],
    ["", "", "80"],
  ])("has Cassandra's midpoint of %j and %j", (left, right, middle) => {
    expect(hex(ordered.midpoint(fromHex(left), fromHex(right)))).toBe(middle);
  });

  it("sorts unsigned and shorter first", () => {
    const sorted = ["ff", "", "61", "6100", "7f", "80"]
      .map(fromHex)
      .sort((a, b) => ordered.compare(a, b));
    expect(sorted.map(hex)).toEqual(["", "61", "6100", "7f", "80", "ff"]);
  });

  it("reads hex, an odd number of digits with a leading zero", () => {
    expect(hex(ordered.parse("abc"))).toBe("0abc");
    expect(ordered.format(fromHex("00FF"))).toBe("00ff");
    expect(() => ordered.parse("xy")).toThrow(/hex digits/);
  });

  it("keeps the token when the key's buffer is used again", () => {
    const key = bytes("a");
    const token = ordered.hash(key);
    key[0] = 0;
    expect(hex(token)).toBe("61");
  });
});

describe("OrderPreservingPartitioner", () => {
  const ordered = new OrderPreservingPartitioner();

  it("takes UTF-8 as text and everything else as its hex digits", () => {
    expect(ordered.hash(bytes("größe\u{1F600}"))).toBe("größe\u{1F600}");
    expect(ordered.hash(bytes("\uFEFFbom"))).toBe("\uFEFFbom");
    expect(ordered.hash(fromHex("c328"))).toBe("c328");
    // UTF-8 has no surrogates: three bytes that would encode one are not valid.
    expect(ordered.hash(fromHex("eda080"))).toBe("eda080");
  });

  it("sorts by UTF-16 code units as Java does, not by code points", () => {
    expect(ordered.compare("\uFF5E", "\u{1F600}")).toBeGreaterThan(0);
    expect(ordered.compare("B", "a")).toBeLessThan(0);
  });

  it("has midpoints like bytes, in units of 16 bits", () => {
    expect(ordered.midpoint("a", "c")).toBe("b");
    expect(ordered.midpoint("a", "b")).toBe("a\u8000");
    expect(ordered.midpoint("b", "a")).toBe("\u8061\u8000");
    expect(ordered.midpoint("", "")).toBe("\u8000");
  });

  it("refuses a comma in text", () => {
    expect(() => ordered.parse("a,b")).toThrow(/without a comma/);
  });
});

describe("CollatingOrderPreservingPartitioner", () => {
  const ordered = new CollatingOrderPreservingPartitioner();

  it("sorts as an American dictionary", () => {
    const sorted = ["b", "B", "a", "cote", "côte", "coté", "zebra", "Äpfel"].sort((a, b) =>
      ordered.compare(a, b),
    );
    expect(sorted).toEqual(["a", "Äpfel", "b", "B", "cote", "coté", "côte", "zebra"]);
  });

  it("refuses keys that are not UTF-8", () => {
    expect(() => ordered.hash(fromHex("ff"))).toThrow(
      expect.objectContaining({ name: "TokenError", value: "ff" }),
    );
  });

  it("finds midpoints between the ends, also around the end of the ring", () => {
    const word = fc.string({ unit: fc.constantFrom(...Array.from("abcmyzBMY059")), maxLength: 6 });
    fc.assert(
      fc.property(word, word, (left, right) => {
        const [from, to] = [left.toLowerCase(), right.toLowerCase()];
        // The next text after one is the same with a 0: there is nothing between these two.
        fc.pre(from !== to && `${from}0` !== to);
        const middle = ordered.midpoint(left, right);
        expect(rangeContains(ordered, { start: left, end: right }, middle)).toBe(true);
        expect(ordered.compare(middle, right)).not.toBe(0);
      }),
    );
  });

  it("says so where nothing can be between", () => {
    for (const [left, right] of [
      ["cote", "côte"],
      ["a", "a0"],
      ["", "0"],
    ] as const) {
      expect(() => ordered.midpoint(left, right)).toThrow(/differ in letters or digits/);
    }
    expect(ordered.midpoint("a", "b")).toBe("ah");
    expect(ordered.midpoint("", "")).toBe("h");
  });
});

describe("RedisSlotPartitioner", () => {
  const redis = new RedisSlotPartitioner();

  it.each([
    // Values of the documentation of CLUSTER KEYSLOT.
    ["somekey", 11058n],
    ["foo{hash_tag}", 2515n],
    ["bar{hash_tag}", 2515n],
  ])("puts %s into its slot", (key, slot) => {
    expect(redis.hash(bytes(key))).toBe(slot);
  });

  it("hashes the whole key where the first tag is empty or does not end", () => {
    // The cases of the cluster specification, "Hash tags".
    expect(redis.hash(bytes("{user1000}.following"))).toBe(redis.hash(bytes("user1000")));
    expect(redis.hash(bytes("foo{{bar}}zap"))).toBe(redis.hash(bytes("{bar")));
    expect(redis.hash(bytes("foo{bar}{zap}"))).toBe(redis.hash(bytes("bar")));
    expect(redis.hash(bytes("foo{}{bar}"))).not.toBe(redis.hash(bytes("bar")));
    expect(redis.hash(bytes("foo{bar"))).not.toBe(redis.hash(bytes("bar")));
  });

  it("equals the slots of the client libraries", () => {
    const slotOf = createRequire(import.meta.url)("cluster-key-slot") as (key: Buffer) => number;
    const rng = new SeededRng(5);
    for (let round = 0; round < 2000; round++) {
      const text = Array.from({ length: randomBelow(rng, 12) }, () => "ab{}é"[randomBelow(rng, 5)]);
      // With an empty tag the library goes on to a later end, against the specification.
      const key = Buffer.from(text.join("").replaceAll(/\{\}+/g, "{"));
      expect(redis.hash(key)).toBe(BigInt(slotOf(key)));
    }
  });

  it("deals slots as redis-cli creates clusters", () => {
    expect(redis.even(3)).toEqual([5460n, 10922n, 16383n]);
    expect(redis.even(6)).toEqual([2730n, 5460n, 8191n, 10922n, 13652n, 16383n]);
    expect(redis.ownership(redis.even(4)).get(16383n)).toBe(0.25);
  });

  it("refuses slots that do not exist", () => {
    expect(() => redis.parse("16384")).toThrow(/from 0 to 16383/);
    expect(() => redis.fromBytes(fromHex("4000"))).toThrow(/from 0 to 16383/);
    expect(() => redis.fromBytes(fromHex("40"))).toThrow(/2 bytes/);
  });
});

describe("DynomitePartitioner", () => {
  const dynomite = new DynomitePartitioner();

  it("hashes with murmur unless told otherwise", () => {
    expect(dynomite.hash(bytes("foo"))).toBe(3303027599n);
    expect(new DynomitePartitioner({ hash: "crc32a" }).hash(bytes("123456789"))).toBe(0xcbf43926n);
  });

  it("hashes only what lies between the hash tag's marks", () => {
    const tagged = new DynomitePartitioner({ hashTag: "{}" });
    expect(tagged.hash(bytes("user:{foo}:name"))).toBe(3303027599n);
    expect(tagged.hash(bytes("}{foo}"))).toBe(3303027599n);
    expect(tagged.hash(bytes("foo{"))).toBe(dynomite.hash(bytes("foo{")));
    expect(tagged.hash(bytes("x{}y"))).toBe(0n);
    expect(new DynomitePartitioner({ hashTag: "$$" }).hash(bytes("a$foo$"))).toBe(3303027599n);
  });

  it.each(["", "{", "{}}", "é}"])("refuses the hash tag %j", (hashTag) => {
    expect(() => new DynomitePartitioner({ hashTag })).toThrow(
      expect.objectContaining({ name: "PartitionerError", value: hashTag }),
    );
  });

  it.each([
    [1, [1383429731n]],
    [2, [1383429731n, 3530913378n]],
    [3, [1383429731n, 2815085496n, 4246741261n]],
    [4, [1383429731n, 2457171554n, 3530913377n, 309687905n]],
    [6, [1383429731n, 2099257613n, 2815085495n, 3530913377n, 4246741259n, 667601846n]],
  ])(
    "gives a rack of %i slots Dynomite-manager's tokens (seed 000_8028f472c579d2ad.txt)",
    (size, tokens) => {
      expect(dynomite.even(size)).toEqual([...tokens].sort((a, b) => (a < b ? -1 : 1)));
    },
  );

  it("refuses tokens above 32 bits", () => {
    expect(() => dynomite.parse("4294967296")).toThrow(/from 0 to 4294967295/);
    expect(() => dynomite.fromBytes(fromHex("00"))).toThrow(/4 bytes/);
  });
});

const HASH_PARTITIONERS: readonly HashPartitioner[] = [
  new Murmur3Partitioner(),
  new RandomPartitioner(),
  new DynomitePartitioner(),
  new RedisSlotPartitioner(),
];

describe.each(HASH_PARTITIONERS.map((partitioner) => [partitioner.name, partitioner] as const))(
  "%s, as a ring of numbers",
  (_, partitioner) => {
    const rng = new SeededRng(6);
    const draw = (): bigint => partitioner.random(rng);

    it("draws tokens that a member may own", () => {
      for (let round = 0; round < 200; round++) {
        const token = draw();
        expect(token >= partitioner.minimum && token <= partitioner.maximum).toBe(true);
        expect(partitioner.parse(partitioner.format(token))).toBe(token);
      }
    });

    it("has midpoints and splits inside the range, at half the way", () => {
      for (let round = 0; round < 500; round++) {
        const [left, right] = [draw(), draw()];
        const size = partitioner.size(left, right);
        if (size < 1e-3) continue;
        for (const token of [
          partitioner.midpoint(left, right),
          partitioner.split(left, right, 0.5),
        ]) {
          expect(rangeContains(partitioner, { start: left, end: right }, token)).toBe(true);
          expect(Math.abs(partitioner.size(left, token) - size / 2)).toBeLessThan(1e-3);
        }
      }
    });

    it("shares the ring out completely, evenly among even tokens", () => {
      for (const count of [1, 2, 3, 7, 64]) {
        const tokens = partitioner.even(count);
        expect(new Set(tokens).size).toBe(count);
        expect(tokens).toEqual([...tokens].sort((a, b) => (a < b ? -1 : 1)));
        const shares = [...partitioner.ownership(tokens).values()];
        expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 4);
        for (const share of shares) expect(Math.abs(share * count - 1)).toBeLessThan(0.005);
      }
      expect(() => partitioner.ownership([])).toThrow(/at least one token/);
      expect(() => partitioner.even(0)).toThrow(
        expect.objectContaining({ name: "AllocationError", code: "TOKEN_COUNT" }),
      );
    });

    it("counts the whole ring from a token to itself, and goes around its end", () => {
      expect(partitioner.size(5n, 5n)).toBe(1);
      expect(partitioner.ownership([5n])).toEqual(new Map([[5n, 1]]));
      expect(partitioner.next(5n)).toBe(6n);
      expect(partitioner.next(partitioner.maximum)).toBeLessThan(1n);
    });
  },
);

describe.each(PARTITIONER_NAMES)("%s, by name", (name) => {
  const partitioner = createPartitioner(name) as Partitioner<unknown>;
  const rng = new SeededRng(7);

  it("is found with and without Cassandra's package", () => {
    expect(name.startsWith(partitioner.name.split("(")[0]!)).toBe(true);
    expect(createPartitioner(`org.apache.cassandra.dht.${name}`).name).toBe(partitioner.name);
  });

  it("writes tokens as text and bytes and reads them back", () => {
    for (let round = 0; round < 50; round++) {
      const token = partitioner.random(rng);
      expect(partitioner.compare(partitioner.parse(partitioner.format(token)), token)).toBe(0);
      expect(partitioner.compare(partitioner.fromBytes(partitioner.toBytes(token)), token)).toBe(0);
    }
  });

  it("orders every token of a key at or after the minimum, and keeps the order of keys or not", () => {
    const keys = Array.from({ length: 50 }, (_, at) => bytes(`key${String(at).padStart(3, "0")}`));
    const tokens = keys.map((key) => partitioner.hash(key));
    for (const token of tokens) {
      expect(partitioner.compare(token, partitioner.minimum)).toBeGreaterThanOrEqual(0);
    }
    const sorted = [...tokens].sort((a, b) => partitioner.compare(a, b));
    const isInOrder = sorted.every((token, at) => partitioner.compare(token, tokens[at]) === 0);
    expect(isInOrder).toBe(partitioner.preservesOrder);
  });
});

it("an unknown partitioner is refused with the names that are known", () => {
  for (const name of ["NoSuchPartitioner", "constructor", ""]) {
    expect(() => createPartitioner(name)).toThrow(
      expect.objectContaining({ name: "PartitionerError", value: name }),
    );
  }
});

describe("sampled ownership", () => {
  const ordered = new OrderPreservingPartitioner();

  it("is each range's share of the samples, the lowest token's range around the end", () => {
    const shares = sampledOwnership(ordered, ["m", "c"], ["a", "b", "d", "z"]);
    expect(shares).toEqual([
      { token: "c", share: 0.75 },
      { token: "m", share: 0.25 },
    ]);
  });

  it("is nothing without samples or without tokens", () => {
    expect(sampledOwnership(ordered, ["m"], [])).toEqual([{ token: "m", share: 0 }]);
    expect(sampledOwnership(ordered, [], ["a"])).toEqual([]);
  });
});
