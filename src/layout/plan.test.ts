import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { StagedChange } from "../model/topology-api.ts";
import type { Layout } from "./layout.ts";
import { type PlanFacts, planOf } from "./plan.ts";
import { factsOf, keyspaceWith, layoutOf, targetOf, waiting } from "./planning.suite.ts";
import { type StagingFacts, applyStaged } from "./staging.ts";
import { member, memberId } from "./testing.suite.ts";

const step = 2n ** 62n;
const four = [1, 2, 3, 4].map((number) =>
  member(number, { tokens: [String(BigInt(number - 1) * step - 2n ** 63n + 5n)] }),
);
const head = layoutOf({ members: four, keyspaces: [keyspaceWith(1, { dc1: "3" })] });
const GIB = 2 ** 30;

interface Planned {
  readonly from?: Layout;
  readonly base?: Layout;
  readonly facts?: StagingFacts;
  readonly plan?: Partial<PlanFacts>;
}

function planned(changes: readonly StagedChange[], options: Planned = {}) {
  const from = options.from ?? head;
  const base = options.base ?? from;
  const facts = options.facts ?? factsOf(from);
  const target = targetOf(from, applyStaged(from, changes, { ...facts, base }), base);
  const densities = new Map(from.keyspaces.map(({ id }) => [id, { bytes: GIB, keys: 1000 }]));
  const { aliveIds } = facts;
  const planFacts = { aliveIds, densities, streamBytesPerSecond: 2 ** 20, ...options.plan };
  return planOf({ head: from, base, target, changes, facts: planFacts });
}

describe("a plan", () => {
  it("shows what moves for a member that leaves", () => {
    const plan = planned([{ kind: "leave", member: memberId(4) }]);
    expect(plan.movedBytes).toBe(0.75 * GIB);
  });
});
