import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { alwaysMeet } from "./quorums.ts";

const meet = (write: string | number, read: string | number, count: number | object): boolean =>
  alwaysMeet(
    { level: write as never, datacenter: "dc1" },
    { level: read as never, datacenter: "dc1" },
    count as never,
  );

describe("alwaysMeet", () => {
  it("is R + W > N when levels are numbers", () => {
    const replicas = fc.integer({ min: 1, max: 5 });
    fc.assert(
      fc.property(replicas, replicas, replicas, (n, w, r) => {
        fc.pre(w <= n && r <= n);
        expect(meet(w, r, n)).toBe(r + w > n);
      }),
    );
  });

  it("knows the named levels without datacenters", () => {
    expect(meet("QUORUM", "QUORUM", 3)).toBe(true);
    expect(meet("QUORUM", "ONE", 3)).toBe(false);
    expect(meet("ALL", "ONE", 5)).toBe(true);
    expect(meet("TWO", "TWO", 4)).toBe(false);
    expect(meet("THREE", "TWO", 4)).toBe(true);
    expect(meet("LOCAL_QUORUM", "LOCAL_QUORUM", 3)).toBe(true);
    expect(meet("EACH_QUORUM", "QUORUM", 3)).toBe(true);
  });

  it("counts datacenters apart where the level does", () => {
    const count = { dc1: 3, dc2: 2 };
    expect(meet("LOCAL_QUORUM", "LOCAL_QUORUM", count)).toBe(true);
    expect(meet("LOCAL_QUORUM", "QUORUM", count)).toBe(false);
    expect(meet("EACH_QUORUM", "LOCAL_QUORUM", count)).toBe(true);
    expect(meet("QUORUM", "QUORUM", count)).toBe(true);
    expect(
      alwaysMeet(
        { level: "LOCAL_QUORUM", datacenter: "dc1" },
        { level: "LOCAL_QUORUM", datacenter: "dc2" },
        count,
      ),
    ).toBe(false);
  });
});
