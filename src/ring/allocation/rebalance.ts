/**
 * Evens out a ring by moving existing tokens, with as little data moved as possible. Cassandra has no
 * such thing, because a token that moves there is neither safe nor possible with several tokens.
 *
 * A token that moves within its two neighbouring gaps changes the replicas of what it passes by one
 * exchange (see `ring-loads.ts`): its owner A on one side, one other member B on the other, always
 * the same two. So each token is a valve between A and B, and moving it by x moves x of the ring's data once:
 *
 *       ---------|<---- A ---->|<---- B ---->|---------      to the right: A gains, B loses
 *                        token ^
 *
 * Members outside the tolerance are sources and sinks, tokens are edges, moving costs its width, and
 * taking a move back earns it: minimum-cost flow, solved by cheapest augmenting paths. A path from a
 * member with too much that ends at one with too little settles both, hence its bonus.
 *
 * No plan can move less than the larger of what is too much and what is too little: `minimum`.
 */
import { must } from "../../util/assert.ts";
import type { RingMember } from "./allocation.ts";
import { RingLoads } from "./ring-loads.ts";
import { placedTokens, positionOf, tokenAt } from "./ring-position.ts";
import type { TokenSpace } from "./token-space.ts";

export interface RebalanceRequest {
  readonly space: TokenSpace;
  /** The members of one datacenter. */
  readonly members: readonly RingMember[];
  readonly rf: number;
  /** How far load per weight may lie from the mean: 0.01 allows 0.99 .. 1.01. */
  readonly tolerance: number;
  /** Most data to move, as a share of the ring; stops there. Unlimited by default. */
  readonly budget?: number | undefined;
}

export interface TokenMove {
  readonly member: string;
  readonly from: bigint;
  readonly to: bigint;
}

export interface Rebalance {
  /** The members with their tokens after the moves, in the order given. */
  readonly members: readonly RingMember[];
  readonly moves: readonly TokenMove[];
  /** Data moved: share of the ring, counted once per replica that receives it. */
  readonly moved: number;
  /** What every plan to this tolerance has to move at least. */
  readonly minimum: number;
}

/** Smallest amount worth a move: below it, rounding would keep the search busy. */
const TINY = 1e-9;
/** A token may use at most this share of a gap at once, so that neighbours never meet. */
const GAP_SHARE = 0.49;
/** How often the search for a path may look at each member. */
const ROUNDS_MAX = 50;

export function rebalanceTokens(request: RebalanceRequest): Rebalance {
  const racks = [...new Set(request.members.map(({ rack }) => rack))];
  const seats = request.members.map(({ rack, weight }) => ({ rack: racks.indexOf(rack), weight }));
  const tokens = placedTokens(request.space, request.members);
  const ring = new RingLoads(seats, request.rf, tokens.length);
  ring.load(tokens);
  const flow = new TokenFlow(ring, request);
  const minimum = flow.minimum;
  flow.run();
  return { ...movedMembers(request, ring, flow), moved: flow.moved, minimum };
}

/** Translates positions back; a token that did not move stays what it was to the last bit. */
function movedMembers(
  request: RebalanceRequest,
  ring: RingLoads,
  flow: TokenFlow,
): { members: RingMember[]; moves: TokenMove[] } {
  const moves: TokenMove[] = [];
  const byPosition = new Map<string, number>();
  for (let index = 0; index < ring.count; index++) {
    byPosition.set(`${ring.ownerAt(index)} ${ring.positionAt(index)}`, index);
  }
  const members = request.members.map((member, seat) => ({
    ...member,
    tokens: member.tokens.map((token) => {
      const key = `${seat} ${positionOf(request.space, token)}`;
      const shift = flow.shifts[byPosition.get(key) ?? 0] ?? 0;
      if (Math.abs(shift) < TINY) return token;
      const position = positionOf(request.space, token) + shift;
      const to = tokenAt(request.space, position - Math.floor(position));
      moves.push({ member: member.id, from: token, to });
      return to;
    }),
  }));
  return { members, moves };
}

/** One step of a path: the token whose move shifts load to the next seat, and which way. */
interface Step {
  readonly token: number;
  readonly direction: 1 | -1;
  readonly from: number;
  readonly to: number;
}

interface Path {
  readonly steps: readonly Step[];
  readonly start: number;
  /** -1 if there is no path. */
  readonly end: number;
}

/** Which kind of need the paths settle: of seats with too much, or of seats with too little. */
type Role = "gives" | "takes";

class TokenFlow {
  /** How far each token has moved, as a share of the ring; positive towards higher tokens. */
  readonly shifts: Float64Array;

  readonly #ring: RingLoads;
  readonly #loads: Float64Array;
  readonly #lowest: Float64Array;
  readonly #highest: Float64Array;
  readonly #budget: number;
  /** The member on the other side of each token; -1 if a move changes nothing. */
  readonly #partners: Int32Array;
  readonly #tokensOf: readonly number[][];

  constructor(ring: RingLoads, { tolerance, budget }: RebalanceRequest) {
    this.#ring = ring;
    this.#budget = budget ?? Infinity;
    this.#loads = ring.loads.slice();
    // A little inside, so that rounding does not put anybody outside again.
    const inner = tolerance * 0.98;
    const bound = (factor: number): Float64Array =>
      Float64Array.from(ring.seats, ({ weight }) => weight * ring.mean * factor);
    this.#lowest = bound(1 - inner);
    this.#highest = bound(1 + inner);
    this.shifts = new Float64Array(ring.count);
    this.#partners = Int32Array.from({ length: ring.count }, (_, token) => this.#partnerOf(token));
    this.#tokensOf = this.#indexTokens();
  }

  get moved(): number {
    return this.shifts.reduce((sum, shift) => sum + Math.abs(shift), 0);
  }

  get minimum(): number {
    let tooMuch = 0;
    let tooLittle = 0;
    for (let seat = 0; seat < this.#loads.length; seat++) {
      tooMuch += Math.max(0, -this.#room(seat));
      tooLittle += Math.max(0, -this.#spare(seat));
    }
    return Math.max(tooMuch, tooLittle);
  }

  run(): void {
    for (const role of ["gives", "takes"] as const) {
      while (this.moved < this.#budget && this.#augment(role));
    }
  }

  /** How much the seat can take before it has too much; negative if it has too much. */
  #room(seat: number): number {
    return (this.#highest[seat] ?? 0) - (this.#loads[seat] ?? 0);
  }

  /** How much the seat can give before it has too little; negative if it has too little. */
  #spare(seat: number): number {
    return (this.#loads[seat] ?? 0) - (this.#lowest[seat] ?? 0);
  }

  #partnerOf(token: number): number {
    const here = this.#ring.replicasAt(token);
    const next = this.#ring.replicasAt((token + 1) % this.#ring.count);
    return next.find((seat) => !here.includes(seat)) ?? -1;
  }

  #indexTokens(): number[][] {
    const tokensOf: number[][] = this.#ring.seats.map(() => []);
    for (const [token, partner] of this.#partners.entries()) {
      const owner = this.#ring.ownerAt(token);
      // A partner exists only if the owner leaves: else the sets are equal or nobody gains.
      const isValve =
        partner >= 0 && !this.#ring.replicasAt((token + 1) % this.#ring.count).includes(owner);
      if (!isValve) continue;
      must(tokensOf[owner], "tokens of the owner").push(token);
      must(tokensOf[partner], "tokens of the partner").push(token);
    }
    return tokensOf;
  }

  /** Moves load along the cheapest path from (or to) any seat in need; false if there is none. */
  #augment(role: Role): boolean {
    const { steps, start, end } = this.#cheapestPath(role);
    if (end < 0) return false;
    let amount = Math.min(this.#need(start, role), this.#absorbs(end, role));
    for (const step of steps) amount = Math.min(amount, this.#capacity(step.token, step.direction));
    amount = Math.min(amount, this.#budget - this.moved);
    if (amount < TINY / 10) return false;
    for (const { token, direction } of steps) {
      this.shifts[token] = (this.shifts[token] ?? 0) + direction * amount;
    }
    const sign = role === "gives" ? 1 : -1;
    this.#loads[start] = (this.#loads[start] ?? 0) - sign * amount;
    this.#loads[end] = (this.#loads[end] ?? 0) + sign * amount;
    return true;
  }

  /** How much a seat has to give (or take) to be within the tolerance. */
  #need(seat: number, role: Role): number {
    return role === "gives" ? -this.#room(seat) : -this.#spare(seat);
  }

  /** How much a path that ends here could bring (or fetch). A seat in need is settled in full first. */
  #absorbs(seat: number, role: Role): number {
    const need = this.#need(seat, role === "gives" ? "takes" : "gives");
    if (need > TINY) return need;
    return role === "gives" ? this.#room(seat) : this.#spare(seat);
  }

  /** Bellman-Ford with a queue, from all seats in need at once: moves back have negative cost. */
  #cheapestPath(role: Role): Path {
    const count = this.#loads.length;
    const costs = new Float64Array(count).fill(Infinity);
    const steps: (Step | undefined)[] = Array.from({ length: count });
    const isQueued = new Uint8Array(count);
    const queue = [...this.#loads.keys()].filter((seat) => this.#need(seat, role) > TINY);
    const starts = new Set(queue);
    for (const seat of queue) costs[seat] = 0;
    for (let head = 0; head < queue.length && head < ROUNDS_MAX * count; head++) {
      const seat = queue[head] ?? 0;
      isQueued[seat] = 0;
      for (const step of this.#stepsFrom(seat, role)) {
        const { token, direction, to } = step;
        const cost = (costs[seat] ?? 0) + this.#cost(token, direction);
        if (starts.has(to) || cost >= (costs[to] ?? 0) - TINY) continue;
        costs[to] = cost;
        steps[to] = step;
        if (isQueued[to] === 0) queue.push(to);
        isQueued[to] = 1;
      }
    }
    return this.#traceBack(costs, steps, role);
  }

  /** All that one move of one token can do to the load of a seat. */
  *#stepsFrom(seat: number, role: Role): Generator<Step, void, undefined> {
    for (const token of this.#tokensOf[seat] ?? []) {
      const isOwner = this.#ring.ownerAt(token) === seat;
      const to = isOwner ? (this.#partners[token] ?? 0) : this.#ring.ownerAt(token);
      // To the left an owner gives to its partner, to the right it takes from it.
      const direction = isOwner === (role === "gives") ? -1 : 1;
      if (this.#capacity(token, direction) >= TINY) yield { token, direction, from: seat, to };
    }
  }

  #traceBack(costs: Float64Array, steps: readonly (Step | undefined)[], role: Role): Path {
    let end = -1;
    let best = Infinity;
    for (const [seat, pathCost] of costs.entries()) {
      if (steps[seat] === undefined || this.#absorbs(seat, role) < TINY) continue;
      const isInNeed = this.#need(seat, role === "gives" ? "takes" : "gives") > TINY;
      const cost = pathCost - (isInNeed ? 1 : 0);
      if (cost >= best) continue;
      best = cost;
      end = seat;
    }
    const path: Step[] = [];
    let start = end;
    for (let step = steps[end]; step !== undefined; step = steps[start]) {
      path.push(step);
      start = step.from;
      if (path.length > costs.length) return { steps: [], start, end: -1 };
    }
    return { steps: path, start, end };
  }

  /** Taking a move back earns what it cost. */
  #cost(token: number, direction: 1 | -1): number {
    return (this.shifts[token] ?? 0) * direction < -TINY ? -1 : 1;
  }

  /** How far a token may move: not more than it goes back, nor near its neighbour. */
  #capacity(token: number, direction: 1 | -1): number {
    const shift = this.shifts[token] ?? 0;
    if (shift * direction < -TINY) return Math.abs(shift);
    const gap = this.#ring.sizeAt(direction > 0 ? (token + 1) % this.#ring.count : token);
    return gap * GAP_SHARE - Math.abs(shift);
  }
}
