/**
 * Cassandra's replication-aware token allocator, exactly (`ReplicationAwareTokenAllocator`, 4.0 to
 * 5.0, CASSANDRA-7032). Kept bit for bit so that a Dynaring and a Cassandra ring can be planned with
 * one tool, and as the yardstick of our own `balanced` allocator.
 *
 * A token replicates the span that begins RF groups before it. Only the midpoint of each existing gap
 * is a candidate. The worth of a candidate is how much it lowers the squared differences from the ideal, over
 * the tokens and over the units (members) that it relieves; a priority queue hands out the best, and a
 * stored worth that has gone stale is taken as a bound, which saves a factor of num_tokens in time.
 *
 * What decides equality to the last bit: the order in which doubles are summed, and the tie-breaking
 * of `java.util.PriorityQueue`.
 *
 *      start        threshold          token
 *        |--------------|----------------|      the span that `token` replicates; a new token
 *                       |<-- harmless -->|      behind the threshold shortens it to itself
 */
import { must } from "../../util/assert.ts";
import { compareTokens } from "./allocation.ts";
import { splitLargestGaps } from "./cassandra-first-splits.ts";
import { JavaMaxQueue } from "./java-compat.ts";
import type { TokenSpace } from "./token-space.ts";

/** What the Cassandra allocators know of a member. */
export interface CassandraUnit {
  readonly tokens: readonly bigint[];
  /** Rack, or something unique when every member counts for itself. */
  readonly group: string;
}

export interface CassandraAllocation {
  readonly space: TokenSpace;
  /** The units of the considered ring, in the order in which they were added. */
  readonly units: readonly CassandraUnit[];
  /** Number of replicas of each range in the considered ring. */
  readonly replicas: number;
  readonly newGroup: string;
  readonly tokenCount: number;
  /** Gives the first token of an empty ring; nothing else is left to chance. */
  readonly firstToken: () => bigint;
}

interface Group {
  /** The number of the last walk that met this group. */
  walk: number;
}

interface UnitState {
  readonly group: Group;
  ownership: number;
  tokenCount: number;
  /** Scratch: the number of the evaluation that last touched it, and its ownership there. */
  evaluation: number;
  adjusted: number;
}

interface Entry {
  readonly token: bigint;
  readonly unit: UnitState;
  previous: Entry;
  next: Entry;
  replicationStart: bigint;
  replicationThreshold: bigint;
  replicatedOwnership: number;
}

interface Candidate {
  readonly token: bigint;
  /** The token whose gap the candidate cuts. */
  readonly split: Entry;
}

/** @returns the new member's tokens, ascending. */
export function allocateReplicationAware(request: CassandraAllocation): bigint[] {
  const ring = request.units.flatMap((unit) => unit.tokens).toSorted(compareTokens);
  const groups = new Set(request.units.map((unit) => unit.group));
  const tokens =
    request.units.length < request.replicas ||
    request.tokenCount > ring.length ||
    groups.size < request.replicas
      ? splitLargestGaps(request.space, ring, request.tokenCount, request.firstToken)
      : new ReplicationAwareRing(request).allocate();
  return tokens.toSorted(compareTokens);
}

class ReplicationAwareRing {
  readonly #space: TokenSpace;
  readonly #replicas: number;
  readonly #tokenCount: number;
  readonly #optimal: number;
  readonly #newUnit: UnitState;
  readonly #head: Entry;
  #walks = 0;
  #evaluations = 0;

  constructor(request: CassandraAllocation) {
    this.#space = request.space;
    this.#replicas = request.replicas;
    this.#tokenCount = request.tokenCount;
    const groups = new Map<string, Group>();
    const entries = request.units.flatMap((unit) => {
      const state = unitState(groups, unit.group);
      state.tokenCount = unit.tokens.length;
      return unit.tokens.map((token) => ({ token, unit: state }));
    });
    this.#optimal = request.replicas / (entries.length + request.tokenCount);
    this.#newUnit = unitState(groups, request.newGroup);
    this.#newUnit.ownership = request.tokenCount * this.#optimal;
    this.#newUnit.tokenCount = request.tokenCount;
    this.#head = linkRing(entries.toSorted((a, b) => (a.token < b.token ? -1 : 1)));
    for (const entry of clockwise(this.#head)) this.#refresh(entry);
  }

  allocate(): bigint[] {
    const queue = new JavaMaxQueue<Candidate>();
    for (const split of clockwise(this.#head.next)) {
      const token = this.#space.midpoint(split.previous.token, split.token);
      const candidate = { token, split };
      queue.add({ weight: this.#improvement(candidate, 1 / this.#tokenCount), value: candidate });
    }
    let best = queue.remove().value;
    const chosen: bigint[] = [];
    for (let count = 1; ; count++) {
      this.#confirm(best);
      chosen.push(best.token);
      if (count === this.#tokenCount) return chosen;
      best = this.#nextBest(queue, (count + 1) / this.#tokenCount);
    }
  }

  #nextBest(queue: JavaMaxQueue<Candidate>, newUnitShare: number): Candidate {
    for (;;) {
      const candidate = queue.remove().value;
      const weight = this.#improvement(candidate, newUnitShare);
      const next = queue.peek();
      if (next === undefined || weight >= next.weight) return candidate;
      queue.add({ weight, value: candidate });
    }
  }

  /** How much the squared differences from the ideal fall if the candidate is taken. */
  #improvement(candidate: Candidate, newUnitShare: number): number {
    const evaluation = ++this.#evaluations;
    const touched: UnitState[] = [];
    const adjust = (unit: UnitState, before: number, after: number): number => {
      if (unit.evaluation !== evaluation) {
        unit.evaluation = evaluation;
        unit.adjusted = unit.ownership;
        touched.push(unit);
      }
      unit.adjusted += after - before;
      const change = (after - this.#optimal) ** 2 - (before - this.#optimal) ** 2;
      return change / (unit.tokenCount * unit.tokenCount);
    };

    const start = this.#spanOf(candidate.token, this.#newUnit, candidate.split.previous).start;
    const owned = this.#space.sizeBetween(start, candidate.token);
    let tokenChange = adjust(this.#newUnit, this.#optimal, owned);
    for (const entry of this.#firstOfEachGroup(candidate.split)) {
      const from = this.#farther(entry.replicationThreshold, candidate.token, entry.token);
      const after = this.#space.sizeBetween(from, entry.token);
      tokenChange += adjust(entry.unit, entry.replicatedOwnership, after);
    }
    return -(tokenChange + this.#unitChange(touched, newUnitShare));
  }

  #unitChange(touched: readonly UnitState[], newUnitShare: number): number {
    const change = (unit: UnitState): number =>
      (unit.adjusted / unit.tokenCount - this.#optimal) ** 2 -
      (unit.ownership / unit.tokenCount - this.#optimal) ** 2;
    let sum = 0;
    // The new unit is first in `touched`; it is added last, the others latest first.
    for (let index = touched.length - 1; index > 0; index--) {
      sum += change(must(touched[index], "a touched unit"));
    }
    return sum + change(this.#newUnit) * newUnitShare;
  }

  /** The one of two span starts from which more of the ring lies before `end`. */
  #farther(threshold: bigint, candidate: bigint, end: bigint): bigint {
    if (threshold === end) return candidate;
    if (candidate === end) return threshold;
    const fromThreshold = this.#space.sizeBetween(threshold, end);
    return fromThreshold > this.#space.sizeBetween(candidate, end) ? threshold : candidate;
  }

  #confirm(candidate: Candidate): void {
    const { token, split } = candidate;
    const entry: Entry = {
      ...unlinked(token, this.#newUnit),
      previous: split.previous,
      next: split,
      replicatedOwnership: this.#optimal,
    };
    split.previous.next = entry;
    split.previous = entry;
    this.#refresh(entry);
    // All first, then each: both walks leave their marks in the groups.
    const affected = Array.from(this.#firstOfEachGroup(split));
    for (const each of affected) this.#refresh(each);
  }

  /** Recomputes the span of a token, and with it what its unit owns. */
  #refresh(entry: Entry): void {
    const { start, threshold } = this.#spanOf(entry.token, entry.unit, entry.previous);
    entry.replicationStart = start;
    entry.replicationThreshold = threshold;
    const owned = this.#space.sizeBetween(start, entry.token);
    entry.unit.ownership += owned - entry.replicatedOwnership;
    entry.replicatedOwnership = owned;
  }

  /** The first token of each group from `from` on, until as many groups as replicas were met. */
  *#firstOfEachGroup(from: Entry): Generator<Entry, void, undefined> {
    const walk = ++this.#walks;
    let met = 0;
    for (let entry = from; met < this.#replicas; entry = entry.next) {
      if (entry.unit.group.walk === walk) continue;
      entry.unit.group.walk = walk;
      met++;
      yield entry;
    }
  }

  /** Where the span of a token begins, and which position a new token must beat to shorten it. */
  #spanOf(
    token: bigint,
    unit: UnitState,
    predecessor: Entry,
  ): { start: bigint; threshold: bigint } {
    const walk = ++this.#walks;
    const newGroup = this.#newUnit.group;
    let threshold = token;
    let met = 0;
    let entry = predecessor;
    for (; ; entry = entry.previous) {
      const group = entry.unit.group;
      if (group.walk === walk) continue;
      group.walk = walk;
      if (++met === this.#replicas) break;
      threshold = entry.token;
      if (group === unit.group) break;
    }
    const start = entry.token;
    if (unit.group === newGroup) threshold = token;
    else if (entry.unit.group !== newGroup && newGroup.walk === walk) threshold = start;
    return { start, threshold };
  }
}

function unitState(groups: Map<string, Group>, name: string): UnitState {
  const group = groups.get(name) ?? { walk: 0 };
  groups.set(name, group);
  return { group, ownership: 0, tokenCount: 0, evaluation: 0, adjusted: 0 };
}

type UnlinkedEntry = Omit<Entry, "previous" | "next">;

function unlinked(token: bigint, unit: UnitState): UnlinkedEntry {
  return {
    token,
    unit,
    replicationStart: token,
    replicationThreshold: token,
    replicatedOwnership: 0,
  };
}

function linkRing(tokens: readonly { token: bigint; unit: UnitState }[]): Entry {
  // Links are filled in at once below; until then an entry points at itself.
  const entries = tokens.map(({ token, unit }) => {
    const entry = unlinked(token, unit) as Entry;
    entry.previous = entry;
    entry.next = entry;
    return entry;
  });
  for (const [index, entry] of entries.entries()) {
    entry.previous = must(entries.at(index - 1), "a predecessor");
    entry.next = must(entries[(index + 1) % entries.length], "a successor");
  }
  return must(entries[0], "a ring with tokens");
}

function* clockwise(head: Entry): Generator<Entry, void, undefined> {
  let entry = head;
  do {
    yield entry;
    entry = entry.next;
  } while (entry !== head);
}
