import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_TOKEN, MIN_TOKEN } from "../ring/token.ts";
import { evenTokens } from "../ring/allocation/even.ts";
import { MURMUR3_SPACE } from "../ring/allocation/token-space.ts";
import { describeOwnership, effectiveOwnership, primaryOwnership } from "./ownership.ts";
import { buildReplicaTable } from "./replica-table.ts";
import type { Replication } from "./strategy.ts";

const simple = (total: number): Replication => ({
  kind: "simple",
  factor: { total, transient: 0 },
});
const ring = (
  tokens: readonly (readonly bigint[])[],
): { dc: string; rack: string; tokens: readonly bigint[] }[] =>
  tokens.map((own) => ({ dc: "dc1", rack: "r1", tokens: own }));

describe("describeOwnership", () => {
  it("gives three evenly spaced tokens a third each, in six places as a 32-bit float", () => {
    const third = Math.fround(0.333333);
    expect([...describeOwnership(evenTokens(MURMUR3_SPACE, 3)).values()]).toEqual([
      third,
      third,
      third,
    ]);
  });

  it("counts a ring of 2^64 - 2, so that two close tokens look like the whole ring and nothing", () => {
    expect(describeOwnership([5n, -5n])).toEqual(
      new Map([
        [-5n, 1],
        [5n, 0],
      ]),
    );
  });

  it("gives a single token everything, and refuses a ring without tokens", () => {
    expect(describeOwnership([42n])).toEqual(new Map([[42n, 1]]));
    expect(() => describeOwnership([])).toThrow(expect.objectContaining({ name: "TokenError" }));
  });
});

describe("primary ownership", () => {
  it("is the exact share that a member's own tokens end", () => {
    const members = ring([[MIN_TOKEN], [-(2n ** 62n), 0n], [2n ** 62n], []]);
    expect(primaryOwnership(members)).toEqual([0.25, 0.5, 0.25, 0]);
  });

  it("of a single token is the whole ring, of no token nothing", () => {
    expect(primaryOwnership(ring([[3n], []]))).toEqual([1, 0]);
    expect(primaryOwnership(ring([[], []]))).toEqual([0, 0]);
  });
});

describe("effective ownership", () => {
  it("counts replicas: with as many replicas as members everybody holds everything", () => {
    const members = ring([[0n], [100n], [MAX_TOKEN]]);
    const table = buildReplicaTable({ members, replication: simple(3) });
    expect(effectiveOwnership(table)).toEqual([1, 1, 1]);
  });

  it("of a single token is the whole ring", () => {
    const table = buildReplicaTable({ members: ring([[9n]]), replication: simple(1) });
    expect(effectiveOwnership(table)).toEqual([1]);
  });

  it("with one replica equals primary ownership, and adds up to the replicas", () => {
    const tokens = fc.uniqueArray(fc.bigInt(MIN_TOKEN, MAX_TOKEN), { minLength: 3, maxLength: 30 });
    fc.assert(
      fc.property(tokens, (all) => {
        const members = ring([0, 1, 2].map((at) => all.filter((_, index) => index % 3 === at)));
        const one = effectiveOwnership(buildReplicaTable({ members, replication: simple(1) }));
        for (const [member, share] of primaryOwnership(members).entries()) {
          expect(one[member]).toBeCloseTo(share, 14);
        }
        const two = effectiveOwnership(buildReplicaTable({ members, replication: simple(2) }));
        expect(two.reduce((sum, share) => sum + share, 0)).toBeCloseTo(2, 12);
      }),
    );
  });
});
