/**
 * How neighbouring tokens share the gap between them. At first each may use all of it. Where two would meet, the gap is
 * divided as they used it; then they trade: the one to which more of it is worth more gets some of the other's share
 * (resource-directive decomposition, with the prices that the flow puts on reach).
 *
 * Source: Geoffrion, "Primal resource-directive approaches for optimizing nonlinear decomposable systems", 1970.
 */
import type { RingLoads } from "./ring-loads.ts";
import type { Reach } from "./token-flow.ts";

/** Tokens use at most this share of a gap, so that they do not meet. */
const USED_MAX = 0.98;
/** No token goes into gaps of less than this share of the ring: at last there has to be one between two places. */
export const NARROWEST_GAP = 1e-7;
/** They may use so much more of it before they meet: rounding. */
const MEETING = 1e-6;
/** How often gaps are divided where tokens met; then all are, half and half. */
const DIVISIONS_MAX = 20;
/** The first trade goes over so much of the gap, relative to it; later ones over less and less. */
const TRADE = 0.5;
/** How fast they get smaller. */
const DECAY = 0.2;

export class GapShares {
  /** How far each token may go. */
  readonly reach: Reach;
  readonly #ring: RingLoads;
  readonly #isDivided: Uint8Array;
  #divisions = 0;
  #trades = 0;

  constructor(ring: RingLoads) {
    this.#ring = ring;
    this.reach = reachInto(ring, (token) => this.#room(token));
    this.#isDivided = new Uint8Array(ring.count);
  }

  /** Divides the gaps in which tokens met; false if none did. */
  divide(shifts: Float64Array): boolean {
    let hasMet = false;
    for (let token = 0; token < this.#ring.count; token++) {
      if (this.#room(token) === 0) continue;
      const fromLeft = Math.max(0, shifts[this.#before(token)] ?? 0);
      const fromRight = Math.max(0, -(shifts[token] ?? 0));
      const meets =
        fromLeft > 0 && fromRight > 0 && fromLeft + fromRight > this.#room(token) * (1 + MEETING);
      hasMet ||= meets;
      if (this.#isDivided[token] === 1 || !(meets || this.#divisions === DIVISIONS_MAX)) continue;
      this.#isDivided[token] = 1;
      this.#share(token, meets ? fromLeft / (fromLeft + fromRight) : 0.5);
    }
    if (hasMet) this.#divisions++;
    return hasMet;
  }

  /** Trades in all divided gaps; false if nothing changes. */
  trade(worth: Reach): boolean {
    this.#trades++;
    const step = TRADE / (1 + DECAY * this.#trades);
    let hasTraded = false;
    for (let token = 0; token < this.#ring.count; token++) {
      if (this.#isDivided[token] !== 1) continue;
      const before = this.#before(token);
      const more = (worth.right[before] ?? 0) - (worth.left[token] ?? 0);
      const share = (this.reach.right[before] ?? 0) / this.#room(token);
      const traded = Math.min(1, Math.max(0, share + Math.sign(more) * step));
      if (more === 0 || traded === share) continue;
      hasTraded = true;
      this.#share(token, traded);
    }
    return hasTraded;
  }

  #before(token: number): number {
    return (token === 0 ? this.#ring.count : token) - 1;
  }

  #room(token: number): number {
    const size = this.#ring.sizeAt(token);
    return size < NARROWEST_GAP ? 0 : size * USED_MAX;
  }

  /** The token before the gap gets this share of it. */
  #share(token: number, share: number): void {
    this.reach.right[this.#before(token)] = this.#room(token) * share;
    this.reach.left[token] = this.#room(token) * (1 - share);
  }
}

/** Every token may go as far as its neighbours are now. */
export function wholeGaps(ring: RingLoads): Reach {
  return reachInto(ring, (token) => ring.sizeAt(token));
}

/** @param roomOf - how far the tokens on both sides may go into the gap that ends at a token. */
function reachInto(ring: RingLoads, roomOf: (token: number) => number): Reach {
  const left = Float64Array.from({ length: ring.count }, (_, token) => roomOf(token));
  const right = left.map((_, token) => left[(token + 1) % ring.count] ?? 0);
  return { left, right };
}
