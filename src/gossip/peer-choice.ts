/**
 * Whom a member calls in one round.
 *
 * One live member, so that news spreads; one that is down with a probability that grows with their
 * share, so that about one per member and round is tried however large the ring is; and a seed, by
 * address, when the round would otherwise stay inside a group that may have split off: always when
 * nobody is live, and by chance when the first call did not go to a seed anyway.
 *
 * Source: Cassandra `gms/Gossiper.GossipTask`.
 */
import { type Uint32Source, randomChoice, randomFraction } from "../util/random.ts";

/** All as addresses. */
export interface Peers {
  readonly alive: readonly string[];
  readonly down: readonly string[];
  /** Without this member itself. */
  readonly seeds: readonly string[];
}

/** The addresses to call now, in order; the same one may come twice. */
export function chooseCalls(rng: Uint32Source, { alive, down, seeds }: Peers): string[] {
  const calls: (string | undefined)[] = [];
  const peer = randomChoice(rng, alive);
  calls.push(peer);
  if (happens(rng, down.length / (alive.length + 1))) calls.push(randomChoice(rng, down));
  const isSeed = peer !== undefined && seeds.includes(peer);
  if (!isSeed || alive.length < seeds.length) {
    const chance = alive.length === 0 ? 1 : seeds.length / (alive.length + down.length);
    if (happens(rng, chance)) calls.push(randomChoice(rng, seeds));
  }
  return calls.filter((address) => address !== undefined);
}

function happens(rng: Uint32Source, probability: number): boolean {
  return randomFraction(rng) < probability;
}
