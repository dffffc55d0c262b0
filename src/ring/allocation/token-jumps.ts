/**
 * Tokens that leave their neighbours and go to another place of the ring, for rings that no sliding
 * of tokens evens out. A jump hands over whole ranges at both places, so it costs more than a slide;
 * one or two usually free a ring that is stuck.
 */
import { NARROWEST_GAP } from "./gap-shares.ts";
import type { PlacedToken, RingLoads } from "./ring-loads.ts";
import { NOBODY } from "./takeovers.ts";
import { type LoadLimits, outsideOf } from "./token-flow.ts";
import type { SettleGoal } from "./token-slide.ts";

/** One token that is put elsewhere. */
export interface TokenJump {
  /** Index of the token among those given. */
  readonly token: number;
  /** Where it goes, as a fraction of the ring. */
  readonly position: number;
  /** How much load lies outside the limits then, above and below together. */
  readonly outside: number;
}

/** Places that are tried for one answer: all of a ring of 512 tokens. */
const PLACES_MAX = 2 ** 18;
/** A token stays so far away from its new neighbours, as a share of the gap. */
const MARGIN = 0.1;

/**
 * The most promising jump of each token, the best of them first. In large rings only tokens of those members are tried
 * that are farthest outside their limits.
 *
 * @param tokens - in the order of the ring.
 */
export function tokenJumps(
  tokens: readonly PlacedToken[],
  { ringOf, limits }: Omit<SettleGoal, "budget">,
): TokenJump[] {
  // The only token of a ring has nowhere to go.
  if (tokens.length === 1) return [];
  const { loads } = ringOf(tokens);
  const outsideAt = ({ seat }: PlacedToken): number => outsideOf(limits, seat, loads[seat] ?? 0);
  const jumps = [...tokens.entries()]
    .toSorted(([, a], [, b]) => outsideAt(b) - outsideAt(a))
    .slice(0, Math.ceil(PLACES_MAX / tokens.length))
    .map(([token, { seat }]) => {
      const others = ringOf(tokens.toSpliced(token, 1));
      const places = jumpsOf(others, limits, { token, seat });
      return places.reduce((best, jump) => (jump.outside < best.outside ? jump : best));
    });
  return jumps.toSorted((a, b) => a.outside - b.outside);
}

/** A place in each gap between the others: as close to its owner's fair load as that gap allows. */
function jumpsOf(
  ring: RingLoads,
  limits: LoadLimits,
  { token, seat }: { token: number; seat: number },
): TokenJump[] {
  const fair = ((limits.lowest[seat] ?? 0) + (limits.highest[seat] ?? 0)) / 2;
  const trial = new LoadTrial(ring.loads, limits);
  const jumps: TokenJump[] = [];
  for (let index = 0; index < ring.count; index++) {
    const size = ring.sizeAt(index);
    if (size < NARROWEST_GAP) continue;
    ring.effectsOf(index, seat);
    trial.restart();
    for (let effect = 0; effect < ring.effectCount; effect++) {
      trial.transfer(ring.losers[effect] ?? NOBODY, seat, ring.losses[effect] ?? 0);
    }
    const wanted = ring.gainsPart ? fair - trial.loadOf(seat) : size / 2;
    const offset = Math.min(Math.max(wanted, size * MARGIN), size * (1 - MARGIN));
    if (ring.gainsPart) trial.transfer(ring.partLoser, seat, offset);
    const place = ring.positionAt(index) - size + offset;
    jumps.push({ token, position: place - Math.floor(place), outside: trial.outside });
  }
  return jumps;
}

/** Loads that are changed on trial. */
class LoadTrial {
  readonly #start: Float64Array;
  readonly #limits: LoadLimits;
  readonly #loads: Float64Array;
  readonly #outsideAtStart: number;
  #outside = 0;

  constructor(loads: Float64Array, limits: LoadLimits) {
    this.#start = loads;
    this.#limits = limits;
    this.#loads = new Float64Array(loads);
    this.#outsideAtStart = loads.reduce(
      (sum, load, seat) => sum + outsideOf(limits, seat, load),
      0,
    );
  }

  /** How much lies outside the limits now. */
  get outside(): number {
    return this.#outside;
  }

  loadOf(seat: number): number {
    return this.#loads[seat] ?? 0;
  }

  restart(): void {
    this.#loads.set(this.#start);
    this.#outside = this.#outsideAtStart;
  }

  transfer(from: number, to: number, share: number): void {
    this.#change(to, share);
    if (from !== NOBODY) this.#change(from, -share);
  }

  #change(seat: number, share: number): void {
    const load = this.loadOf(seat);
    this.#outside -= outsideOf(this.#limits, seat, load);
    this.#outside += outsideOf(this.#limits, seat, load + share);
    this.#loads[seat] = load + share;
  }
}
