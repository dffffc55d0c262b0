import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type LayoutVersion,
  compareLayoutVersions,
  continues,
  firstVersion,
  nextVersion,
  rootCounter,
} from "./layout-version.ts";

const first = firstVersion("0".repeat(32));

/** The version after `parent` whose hash begins with the digits given. */
function next(parent: LayoutVersion, digits: string, root = 1): LayoutVersion {
  return nextVersion(parent, digits.padEnd(32, "0"), root);
}

describe("which of two layouts wins", () => {
  test("of two on one branch, the newer one", () => {
    const second = next(first, "a");
    expect(compareLayoutVersions(second, first)).toBeGreaterThan(0);
    expect(compareLayoutVersions(first, second)).toBeLessThan(0);
    expect(compareLayoutVersions(second, next(first, "a"))).toBe(0);
  });

  test("of two forks, the one with the greater hash where they part, however long the other one is", () => {
    const winner = next(first, "b");
    const longer = next(next(next(first, "a"), "f"), "f");
    expect(compareLayoutVersions(winner, longer)).toBeGreaterThan(0);
    expect(compareLayoutVersions(next(winner, "0"), longer)).toBeGreaterThan(0);
  });

  test("a branch that everybody left before it began loses, whatever its hash and length", () => {
    const agreed = next(next(first, "a"), "a");
    const head = next(agreed, "1", agreed.counter);
    expect(rootCounter(head)).toBe(agreed.counter);
    const fork = next(next(next(first, "f"), "f"), "f");
    expect(compareLayoutVersions(head, fork)).toBeGreaterThan(0);
    expect(compareLayoutVersions(head, first)).toBeGreaterThan(0);
  });

  test("it is an order: whoever meets whom first, all end with the same one", () => {
    /** A tree of commits: each one on top of one that was there, with any root that it continues. */
    const tree = fc
      .array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 0xffff })), {
        minLength: 3,
        maxLength: 12,
      })
      .map((commits) => {
        const versions = [first];
        for (const [index, [at, digits]] of commits.entries()) {
          const parent = versions[at % versions.length]!;
          versions.push(next(parent, `${digits.toString(16)}${index}`));
        }
        return versions;
      });
    fc.assert(
      fc.property(tree, (versions) => {
        for (const a of versions) {
          for (const b of versions) {
            const order = Math.sign(compareLayoutVersions(a, b));
            expect(order + Math.sign(compareLayoutVersions(b, a))).toBe(0);
            for (const c of versions) {
              if (order <= 0 || compareLayoutVersions(b, c) <= 0) continue;
              expect(compareLayoutVersions(a, c)).toBeGreaterThan(0);
            }
          }
        }
      }),
    );
  });
});

describe("what a version continues", () => {
  const second = next(first, "a");
  const third = next(second, "b");

  test("itself and what it was made from", () => {
    expect([first, second, third].every((one) => continues(third, one))).toBe(true);
  });

  test("no fork, nothing newer, and nothing from before its root", () => {
    expect(continues(third, next(first, "c"))).toBe(false);
    expect(continues(second, third)).toBe(false);
    expect(continues(next(second, "b", 2), first)).toBe(false);
  });
});
