import { describe, expect, it } from "vitest";
import { SeededRng } from "../../util/random.ts";
import { allocateTokens, tokenCountForWeight, type AllocationStrategy } from "./allocate.ts";
import type { AllocationRequest, RingMember } from "./allocation.ts";
import { MURMUR3_SPACE, RANDOM_SPACE } from "./token-space.ts";

const member = (id: string, tokens: bigint[]): RingMember => ({
  id,
  dc: "dc1",
  rack: "r1",
  weight: 1,
  tokens,
});

function request(overrides: Partial<AllocationRequest> = {}): AllocationRequest {
  return {
    space: MURMUR3_SPACE,
    members: [member("a", [10n, 20n]), member("b", [30n, 40n])],
    joining: { id: "new", dc: "dc1", rack: "r1", weight: 1 },
    tokenCount: 2,
    replication: { kind: "network", rf: { dc1: 3 } },
    rng: new SeededRng(1),
    ...overrides,
  };
}

const explicit = (tokens: bigint[]): AllocationStrategy => ({ kind: "explicit", tokens });

describe("explicit tokens", () => {
  it("are taken in ascending order", () => {
    expect(allocateTokens(explicit([7n, -7n]), request())).toEqual([-7n, 7n]);
  });

  it.each([
    ["TOKEN_COUNT", [7n]],
    ["TOKEN_TAKEN", [7n, 30n]],
    ["TOKEN_TAKEN", [7n, 7n]],
    ["TOKEN_INVALID", [7n, 2n ** 63n]],
  ])("are refused with %s: %s", (code, tokens) => {
    expect(() => allocateTokens(explicit(tokens), request())).toThrow(
      expect.objectContaining({ code }),
    );
  });

  it("are the way to replace a dead member: its token less one (seed 004)", () => {
    const dead = 86756232884191218082533150063604543167n;
    const ring = [
      member("10.196.14.48", [78197033789183047700859117509977881938n]),
      member("10.194.171.160", [dead]),
      member("10.196.14.239", [95315431979199388464207182617231204396n]),
    ];
    const replacing = request({ space: RANDOM_SPACE, members: ring, tokenCount: 1 });
    expect(allocateTokens(explicit([dead - 1n]), replacing)).toEqual([
      86756232884191218082533150063604543166n,
    ]);
    expect(() => allocateTokens(explicit([dead]), replacing)).toThrow(
      expect.objectContaining({ code: "TOKEN_TAKEN" }),
    );
  });
});

describe("every strategy", () => {
  it.each([
    { kind: "even", slot: 1, slots: 3 },
    { kind: "random" },
    { kind: "cassandra" },
    { kind: "balanced" },
  ] satisfies AllocationStrategy[])("gives free tokens, $kind", (strategy) => {
    const tokens = allocateTokens(strategy, request({ tokenCount: 8 }));
    expect(new Set(tokens).size).toBe(8);
    expect(tokens.every((token) => MURMUR3_SPACE.isValid(token))).toBe(true);
    expect(tokens.some((token) => [10n, 20n, 30n, 40n].includes(token))).toBe(false);
    expect(tokens).toEqual(tokens.toSorted((a, b) => (a < b ? -1 : 1)));
  });

  it("refuses a member that is there, a weight of nothing and a senseless count", () => {
    const joining = { id: "a", dc: "dc1", rack: "r1", weight: 1 };
    const fail = (overrides: Partial<AllocationRequest>, code: string): void =>
      expect(() => allocateTokens({ kind: "random" }, request(overrides))).toThrow(
        expect.objectContaining({ code }),
      );
    fail({ joining }, "MEMBER");
    fail({ joining: { ...joining, id: "c", weight: 0 } }, "MEMBER");
    fail({ tokenCount: 0 }, "TOKEN_COUNT");
    fail({ tokenCount: 1537 }, "TOKEN_COUNT");
  });

  it("redraws a random token that somebody owns", () => {
    const draws = [0, 10, 0, 11];
    const rng = { uint32: () => draws.shift() ?? 0 };
    expect(allocateTokens({ kind: "random" }, request({ rng, tokenCount: 1 }))).toEqual([11n]);
  });
});

it("even slots interleave into one even ring", () => {
  const all = [0, 1, 2].flatMap((slot) =>
    allocateTokens({ kind: "even", slot, slots: 3 }, request({ members: [], tokenCount: 4 })),
  );
  const sorted = all.toSorted((a, b) => (a < b ? -1 : 1));
  const gaps = sorted.slice(1).map((token, index) => token - sorted[index]!);
  expect(new Set(gaps)).toEqual(new Set([2n ** 64n / 12n]));
});

it("a larger member owns more tokens (seed 002: the easy way to heterogeneous clusters)", () => {
  expect([1, 2, 4].map((weight) => tokenCountForWeight(16, weight))).toEqual([16, 32, 64]);
  expect(tokenCountForWeight(16, 0.01)).toBe(1);
  expect(tokenCountForWeight(16, 1000)).toBe(1536);
});
