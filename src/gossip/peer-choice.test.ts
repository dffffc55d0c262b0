import { describe, expect, test } from "vitest";
import { SeededRng } from "../util/random.ts";
import { type Peers, chooseCalls } from "./peer-choice.ts";

const ROUNDS = 20_000;

/** The mean number of calls to each group per round. */
function frequencies(peers: Peers): { alive: number; down: number; seeds: number } {
  const rng = new SeededRng(1);
  const counts = { alive: 0, down: 0, seeds: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    for (const address of chooseCalls(rng, peers)) {
      if (peers.alive.includes(address)) counts.alive++;
      else if (peers.down.includes(address)) counts.down++;
      else counts.seeds++;
    }
  }
  const { alive, down, seeds } = counts;
  return { alive: alive / ROUNDS, down: down / ROUNDS, seeds: seeds / ROUNDS };
}

const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);

describe("whom to call", () => {
  test("alone in the world nobody is called", () => {
    expect(chooseCalls(new SeededRng(1), { alive: [], down: [], seeds: [] })).toEqual([]);
  });

  test("with nobody live a seed is called in each round, and one that is down", () => {
    const peers = { alive: [], down: ["d"], seeds: ["s"] };
    for (let seed = 0; seed < 100; seed++) {
      expect(chooseCalls(new SeededRng(seed), peers)).toEqual(["d", "s"]);
    }
  });

  test("one down among 29 live is called once in 30 rounds", () => {
    const { alive, down, seeds } = frequencies({
      alive: names("a", 29),
      down: ["d"],
      seeds: [],
    });
    expect(alive).toBe(1);
    expect(down).toBeCloseTo(1 / 30, 2);
    expect(seeds).toBe(0);
  });

  test("half of the ring being down, one of it is called in each round", () => {
    const { down } = frequencies({ alive: names("a", 15), down: names("d", 16), seeds: [] });
    expect(down).toBe(1);
  });

  test("seeds that are not among the live are called by their share", () => {
    const { seeds } = frequencies({ alive: names("a", 8), down: [], seeds: names("s", 2) });
    expect(seeds).toBeCloseTo(2 / 8, 2);
  });

  test("who has called a seed already, and knows enough members, calls no other", () => {
    const peers = { alive: ["s0", "s1"], down: [], seeds: ["s0", "s1"] };
    for (let seed = 0; seed < 100; seed++) {
      expect(chooseCalls(new SeededRng(seed), peers)).toHaveLength(1);
    }
  });

  test("who knows fewer live members than there are seeds looks for the others", () => {
    const { seeds } = frequencies({ alive: ["s0"], down: [], seeds: ["s0", "s1", "s2"] });
    expect(seeds).toBeCloseTo(2 / 3, 2);
  });

  test("all live members are called equally often", () => {
    const rng = new SeededRng(2);
    const alive = names("a", 4);
    const counts = new Map(alive.map((address) => [address, 0]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const address of chooseCalls(rng, { alive, down: [], seeds: [] })) {
        counts.set(address, (counts.get(address) ?? 0) + 1);
      }
    }
    for (const count of counts.values()) expect(count / ROUNDS).toBeCloseTo(0.25, 1);
  });
});
