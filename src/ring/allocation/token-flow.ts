/**
 * The cheapest way to even out loads by sliding tokens, as a minimum-cost flow.
 *
 * A token that moves between its two neighbours changes the replicas of what it passes by one
 * exchange (see `ring-loads.ts`): its owner A on one side, one other member B on the other, always
 * the same two. So each token is a valve between A and B, and moving it by x moves x of the ring's data once:
 *
 *       ---------|<---- A ---->|<---- B ---->|---------      to the right: A gains, B loses
 *                        token ^
 *
 * Members are the nodes. Who has too much supplies the excess, who has too little demands what is
 * missing. If the two sums differ, a pool makes up for it: it stands for all members that can still
 * take or give something without leaving the tolerance, free of cost. Data goes along cheapest paths,
 * one after the other (successive shortest paths; taking a move back earns what it cost), which is
 * optimal for every amount settled, hence also when a budget ends it early.
 *
 * Source: Ahuja, Magnanti, Orlin, "Network Flows", 9.7.
 */
import { must } from "../../util/assert.ts";
import type { RingLoads } from "./ring-loads.ts";

/** A token as a place where load can go from one seat to another. */
export interface Valve {
  /** Index of the token in the ring. */
  readonly token: number;
  readonly owner: number;
  /** Who replicates behind the token what the owner replicates before it. */
  readonly partner: number;
}

/** How far each seat's load may go. */
export interface LoadLimits {
  readonly lowest: Float64Array;
  readonly highest: Float64Array;
}

/** How much of a seat's load is too much, or how much is missing. */
export function outsideOf({ lowest, highest }: LoadLimits, seat: number, load: number): number {
  return Math.max(0, load - (highest[seat] ?? 0), (lowest[seat] ?? 0) - load);
}

/** The larger of all that is too much and all that is missing: what has to move in any case. */
export function unsettledOf(loads: Float64Array, limits: LoadLimits): number {
  let [tooMuch, missing] = [0, 0];
  for (const [seat, load] of loads.entries()) {
    const outside = outsideOf(limits, seat, load);
    if (load > (limits.highest[seat] ?? 0)) tooMuch += outside;
    else missing += outside;
  }
  return Math.max(tooMuch, missing);
}

/** How far each token may go, as shares of the ring. */
export interface Reach {
  readonly left: Float64Array;
  readonly right: Float64Array;
}

export interface FlowResult {
  /** How far each token moves, as a share of the ring; positive towards higher tokens. */
  readonly shifts: Float64Array;
  /** What moves together. */
  readonly cost: number;
  /** What could not be brought within the limits; 0 if all are. */
  readonly unsettled: number;
}

/** Smallest amount worth a move: below it, rounding would keep the search busy. */
const TINY = 1e-12;
/** A cost must be better by this much: costs are whole numbers. */
const COST_STEP = 0.5;

/** The tokens that can move load at all. */
export function valvesOf(ring: RingLoads): Valve[] {
  const valves: Valve[] = [];
  for (let token = 0; token < ring.count; token++) {
    const owner = ring.ownerAt(token);
    const here = ring.replicasAt(token);
    const next = ring.replicasAt((token + 1) % ring.count);
    const partner = next.find((seat) => !here.includes(seat));
    // Where the owner stays a replica behind its token, nothing changes hands.
    if (partner !== undefined && !next.includes(owner)) valves.push({ token, owner, partner });
  }
  return valves;
}

/** One step of a path; an arc of the pool has no valve. */
interface Arc {
  readonly valve: Valve | undefined;
  readonly from: number;
  readonly to: number;
  /** Which way the token moves. */
  readonly direction: 1 | -1;
}

/** One problem; `solve` once. */
export class TokenFlow {
  readonly #reach: Reach;
  readonly #shifts: Float64Array;
  /** What each seat, and the pool as the last, still has to give; negative: to get. */
  readonly #supplies: Float64Array;
  /** What the pool can still put into each seat, and take out of it. */
  readonly #poolIn: Float64Array;
  readonly #poolOut: Float64Array;
  readonly #pool: number;
  readonly #arcsFrom: readonly (readonly Arc[])[];
  #cost = 0;

  constructor(ring: RingLoads, valves: readonly Valve[], limits: LoadLimits, reach: Reach) {
    const seats = ring.seats.length;
    this.#reach = reach;
    this.#shifts = new Float64Array(ring.count);
    this.#supplies = new Float64Array(seats + 1);
    this.#poolIn = new Float64Array(seats);
    this.#poolOut = new Float64Array(seats);
    this.#pool = seats;
    this.#arcsFrom = arcsBetween(valves, seats);
    for (let seat = 0; seat < seats; seat++) this.#setUp(seat, ring.loads[seat] ?? 0, limits);
    this.#supplies[seats] = -this.#supplies.reduce((sum, supply) => sum + supply, 0);
  }

  /** Moves until all is settled, nothing more can be, or the budget is used up. */
  solve(budget: number): FlowResult {
    while (this.#cost < budget - TINY) {
      const path = this.#cheapestPath();
      if (path === undefined) break;
      this.#send(path, budget - this.#cost);
    }
    const unsettled = this.#supplies.reduce((sum, supply) => sum + Math.max(0, supply), 0);
    return { shifts: this.#shifts, cost: this.#cost, unsettled };
  }

  /** What a result costs if all that it leaves unsettled costs more than any move. */
  priceOf({ cost, unsettled }: FlowResult): number {
    return unsettled * this.#supplies.length + cost;
  }

  /** After `solve`: how much lower the price would be for each unit that a token may go farther. */
  worthOfReach(): Reach {
    const dearest = this.#supplies.length;
    const { costs } = this.#cheapestFrom(this.#supplies.map((has) => (has > TINY ? 0 : dearest)));
    const left = new Float64Array(this.#shifts.length);
    const right = new Float64Array(this.#shifts.length);
    for (const { valve, from, to, direction } of this.#arcsFrom.flat()) {
      if (valve === undefined) continue;
      const worth = Math.max(0, (costs[to] ?? 0) - (costs[from] ?? 0) - 1);
      if (direction > 0) right[valve.token] = worth;
      else left[valve.token] = worth;
    }
    return { left, right };
  }

  /** The room that a seat has left lies between its load, once settled, and its limits. */
  #setUp(seat: number, load: number, { lowest, highest }: LoadLimits): void {
    const [low, high] = [lowest[seat] ?? 0, highest[seat] ?? 0];
    const settled = Math.min(Math.max(load, low), high);
    this.#supplies[seat] = load - settled;
    this.#poolIn[seat] = settled - low;
    this.#poolOut[seat] = high - settled;
  }

  /** From all that have to give at once. */
  #cheapestPath(): readonly Arc[] | undefined {
    const { costs, arcs } = this.#cheapestFrom(
      this.#supplies.map((has) => (has > TINY ? 0 : Infinity)),
    );
    return this.#traceBack(costs, arcs);
  }

  /** Bellman-Ford with a queue, because moves back have negative cost; each node costs at most what it does at the start. */
  #cheapestFrom(start: Float64Array): { costs: Float64Array; arcs: readonly (Arc | undefined)[] } {
    const costs = new Float64Array(start);
    const arcs: (Arc | undefined)[] = Array.from({ length: costs.length });
    const queue = [...costs.keys()].filter((node) => costs[node] !== Infinity);
    const isQueued = Uint8Array.from(costs, (cost) => (cost === Infinity ? 0 : 1));
    for (let head = 0; head < queue.length; head++) {
      const node = queue[head] ?? 0;
      isQueued[node] = 0;
      for (const arc of must(this.#arcsFrom[node], "arcs of a node")) {
        const cost = (costs[node] ?? 0) + this.#costOf(arc);
        if (cost > (costs[arc.to] ?? 0) - COST_STEP || this.#capacityOf(arc) <= TINY) continue;
        costs[arc.to] = cost;
        arcs[arc.to] = arc;
        if (isQueued[arc.to] === 0) queue.push(arc.to);
        isQueued[arc.to] = 1;
      }
    }
    return { costs, arcs };
  }

  #traceBack(costs: Float64Array, arcs: readonly (Arc | undefined)[]): readonly Arc[] | undefined {
    let end = -1;
    for (let node = 0; node < costs.length; node++) {
      if ((this.#supplies[node] ?? 0) >= -TINY || costs[node] === Infinity) continue;
      if (end < 0 || (costs[node] ?? 0) < (costs[end] ?? 0)) end = node;
    }
    if (end < 0) return undefined;
    const path: Arc[] = [];
    for (let arc = arcs[end]; arc !== undefined; arc = arcs[arc.from]) path.push(arc);
    return path.toReversed();
  }

  #send(path: readonly Arc[], budget: number): void {
    const start = must(path[0], "a path has arcs").from;
    const end = must(path.at(-1), "a path has arcs").to;
    let amount = Math.min(this.#supplies[start] ?? 0, -(this.#supplies[end] ?? 0));
    let cost = 0;
    for (const arc of path) {
      amount = Math.min(amount, this.#capacityOf(arc));
      cost += this.#costOf(arc);
    }
    if (cost > 0) amount = Math.min(amount, budget / cost);
    for (const arc of path) this.#move(arc, amount);
    this.#supplies[start] = (this.#supplies[start] ?? 0) - amount;
    this.#supplies[end] = (this.#supplies[end] ?? 0) + amount;
    this.#cost += cost * amount;
  }

  #move({ valve, from, to, direction }: Arc, amount: number): void {
    if (valve !== undefined) {
      const moved = (this.#shifts[valve.token] ?? 0) + direction * amount;
      this.#shifts[valve.token] = Math.abs(moved) < TINY ? 0 : moved;
      return;
    }
    const seat = from === this.#pool ? to : from;
    const sign = from === this.#pool ? 1 : -1;
    this.#poolIn[seat] = (this.#poolIn[seat] ?? 0) - sign * amount;
    this.#poolOut[seat] = (this.#poolOut[seat] ?? 0) + sign * amount;
  }

  /** Taking a move back earns what it cost. */
  #costOf({ valve, direction }: Arc): number {
    if (valve === undefined) return 0;
    return (this.#shifts[valve.token] ?? 0) * direction < 0 ? -1 : 1;
  }

  /** A token that goes back stops where it came from, because from there on it costs again. */
  #capacityOf({ valve, from, to, direction }: Arc): number {
    if (valve === undefined) {
      return (from === this.#pool ? this.#poolIn[to] : this.#poolOut[from]) ?? 0;
    }
    const shift = this.#shifts[valve.token] ?? 0;
    if (shift * direction < 0) return Math.abs(shift);
    const reach = direction > 0 ? this.#reach.right : this.#reach.left;
    return (reach[valve.token] ?? 0) - Math.abs(shift);
  }
}

/** To the left an owner gives to its partner, to the right the partner to the owner. */
function arcsBetween(valves: readonly Valve[], seats: number): readonly (readonly Arc[])[] {
  const arcsFrom: Arc[][] = Array.from({ length: seats + 1 }, () => []);
  const add = (arc: Arc): void => {
    must(arcsFrom[arc.from], "arcs of a node").push(arc);
  };
  for (const valve of valves) {
    add({ valve, from: valve.owner, to: valve.partner, direction: -1 });
    add({ valve, from: valve.partner, to: valve.owner, direction: 1 });
  }
  for (let seat = 0; seat < seats; seat++) {
    add({ valve: undefined, from: seat, to: seats, direction: 1 });
    add({ valve: undefined, from: seats, to: seat, direction: 1 });
  }
  return arcsFrom;
}
