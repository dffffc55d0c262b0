/**
 * What the balance of a small ring is judged by, besides the loads that it has now.
 *
 * How even a ring can become later depends on who stands behind whom: a token more takes a range from
 * the last in the walk. While a ring is small each member decides about that for long, so its tokens
 * are looked at in other ways as well, whose balance counts a little:
 *
 *   fewer replicas    The loads with RF - 1, RF - 2, .. replicas tell how well the members are mixed.
 *   without a rack    Where there are more racks than replicas, racks grow one after the other, and the
 *                     first ones that are larger than the rest come to hold every range. What the others
 *                     hold then is what they would hold with one replica less if that rack were not
 *                     there. So each other rack is left out in turn.
 *
 * Measured as mean spreads of rings with RF 3: fewer replicas bring weights 1:2:4 from 0.113 to 0.009 at 6
 * members (12 rings). Without a rack brings four racks of 8, 16 and 32 tokens from 0.33, 0.23 and
 * 0.21 to 0.16, 0.13 and 0.11 at 6 members (3 rings each), and with 8 tokens from 0.097 to 0.083 at
 * 24 members (8 rings). In larger rings some shapes gain by it and others lose (ADR 2).
 */
import { ABSENT } from "./takeovers.ts";
import { RingLoads } from "./ring-loads.ts";
import { FEW_MEMBERS, type CountedRing } from "./token-search.ts";

/** Up to so many members where there are more racks than replicas; from `FEW_MEMBERS` on it counts less and less. */
const FEW_MEMBERS_IN_MANY_RACKS = 24;
/** How much the balance with fewer replicas counts. */
const LESSER_SHARE = 0.2;
/** How much the balance without one rack counts. */
const RACKLESS_SHARE = 0.1;

/** The ring itself, and the other views of it, all with room for as many tokens more. */
export function countedRings(ring: RingLoads, tokenCount: number): readonly CountedRing[] {
  const limit = ring.hasManyRacks ? FEW_MEMBERS_IN_MANY_RACKS : FEW_MEMBERS;
  if (ring.seats.length > limit) return [{ ring, share: 1 }];
  const factor = Math.min(1, FEW_MEMBERS / ring.seats.length) ** 2;
  const tokens = ring.tokens();
  const view = (replicas: number, absent: number | undefined): RingLoads => {
    const seats = ring.seats.map((seat) =>
      seat.rack === absent ? { ...seat, rack: ABSENT } : seat,
    );
    const seen = new RingLoads(seats, replicas, tokens.length + tokenCount);
    seen.load(tokens);
    return seen;
  };
  const lesser = Array.from({ length: ring.replicas - 1 }, (_, index) => ({
    ring: view(ring.replicas - 1 - index, undefined),
    share: LESSER_SHARE * factor,
  }));
  // Without the rack of the newcomer, its tokens would change nothing.
  const own = ring.seats.at(-1)?.rack;
  const racks = [...new Set(ring.seats.map(({ rack }) => rack))];
  const others = ring.hasManyRacks && ring.replicas > 1 ? racks.filter((rack) => rack !== own) : [];
  const rackless = others.map((rack) => ({
    ring: view(ring.replicas - 1, rack),
    share: RACKLESS_SHARE * factor,
  }));
  return [{ ring, share: 1 }, ...lesser, ...rackless];
}
