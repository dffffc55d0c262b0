/**
 * A member's place in the ring: how it gets in, and what keeps it out.
 *
 * A start has one of two ends. Either the ring reads from a layout that has this member in it, and so
 * the member holds its share (layout/history.ts): then it is in. Or something comes up that waiting
 * does not mend: its data or its partitioner belong to another ring, the ring refuses its request, it
 * has left or was removed, another process has its identity. The last two also end the service of a
 * member that was in for long.
 *
 * Nothing is asked for here; the member tells what happens, in whatever order it comes.
 */
import { type LayoutHistory, activeMembers, headOf, readLayoutOf } from "../layout/history.ts";
import type { LayoutMember } from "../layout/layout.ts";
import type { Clock, Logger, Rng } from "../model/deps.ts";
import { InvariantError, must } from "../util/assert.ts";
import { finished } from "../util/stepwise.ts";
import { randomUuid } from "../util/random.ts";
import { dissenters, isBehind } from "./agreement.ts";
import { otherCluster, otherPartitioner } from "./cluster-check.ts";
import type { GossipShell } from "./gossip-shell.ts";
import type { Identity } from "./identity.ts";
import { JOIN, formatJoinRequest, refusalOf } from "./join-requests.ts";
import type { LayoutKeeper, Wish } from "./layout-keeper.ts";
import { PlaceCheck } from "./place-check.ts";
import { type TokenChoice, chooseTokens } from "./token-choice.ts";

/** Where clients reach the member's front ends. */
export interface FrontEndAddresses {
  readonly respAddress?: string | undefined;
  readonly httpAddress?: string | undefined;
}

export interface MembershipDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
  readonly keeper: LayoutKeeper;
  /** From now on requests of clients are refused, with this reason. */
  readonly refuseBecause: (reason: string) => void;
}

export interface MembershipOptions extends TokenChoice {
  readonly clusterName: string;
  /** In full, as in the layout. */
  readonly partitioner: string;
  readonly dc: string;
  readonly rack: string;
  readonly weight: number;
  /** Internode addresses. The first one founds the ring; without any this member does. */
  readonly seeds: readonly string[];
  /** False: it does not ask to be taken into a ring, but waits for an operator to plan it. */
  readonly autoBootstrap: boolean;
}

/** What membership needs of a member that runs. */
export interface MembershipRunning {
  readonly identity: Identity;
  readonly address: string;
  readonly frontEnds: FrontEndAddresses;
  readonly gossip: GossipShell;
}

export class Membership {
  readonly #deps: MembershipDeps;
  readonly #options: MembershipOptions;
  readonly #placeCheck: PlaceCheck;
  #running: MembershipRunning | undefined;
  #joined: () => void = () => {};
  #fail: (error: Error) => void = () => {};
  #isGossiping = false;
  #isJoined = false;
  #isGone = false;
  #addressWish: Wish | undefined;

  constructor(deps: MembershipDeps, options: MembershipOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#placeCheck = new PlaceCheck(deps, (error) => this.fail(error));
  }

  /** Resolves when this member is in the ring; rejects when it does not get in. */
  begin(): Promise<void> {
    const ready = new Promise<void>((resolve, reject) => {
      this.#joined = resolve;
      this.#fail = reject;
    });
    // It may fail before anybody waits for it.
    ready.catch(() => {});
    return ready;
  }

  useRunning(running: MembershipRunning): void {
    this.#running = running;
  }

  /** Ends the start; does nothing to one that is over. */
  fail(error: Error): void {
    this.#fail(error);
  }

  stop(): void {
    this.fail(new Error("the member was stopped before it was in the ring"));
    this.#placeCheck.stop();
  }

  /** It is up to this member to make the ring. */
  found(): void {
    this.#orFail(() => this.#found());
  }

  /** Gossip runs: asks to be in the ring; a member that was in it before keeps its tokens. */
  ask(): void {
    this.#isGossiping = true;
    this.#orFail(() => this.#ask());
  }

  /** Called with all news: the start may be over. */
  review(): void {
    const { history } = this.#deps.keeper;
    if (this.#running === undefined || history === undefined) return;
    this.#checkJoined(history, this.#running);
  }

  /** Another process has this identity: serving on would make one version of two writers. */
  giveWay(otherAddress: string): void {
    const reason =
      `another member with this one's id is alive at ${otherAddress}; ` +
      "one of them was probably started from a copy of the other's data directory";
    this.#deps.logger.error("member.identity-conflict", { otherAddress });
    // Otherwise both would tell the ring their address for ever.
    if (this.#addressWish !== undefined) this.#deps.keeper.giveUp(this.#addressWish);
    this.#deps.refuseBecause(reason);
    this.fail(new Error(reason));
  }

  /** The ring that it wants to join is none for it. Who has a ring goes on with that. */
  refusePartitioner(address: string, theirs: string): void {
    if (this.#deps.keeper.history !== undefined) return;
    this.fail(otherPartitioner(this.#options.partitioner, theirs, address));
  }

  /** Its data belong to another ring than the one that it was told to join. */
  refuseCluster(address: string, theirs: string): void {
    this.fail(otherCluster(this.#deps.keeper.head?.clusterId ?? "", theirs, address));
  }

  /** What cannot be done, e.g. by the allocator chosen, ends the start. */
  #orFail(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      this.fail(error as Error);
    }
  }

  #found(): void {
    const { identity, address, frontEnds } = must(this.#running, "the member runs");
    const { dc, rack, weight, clusterName, partitioner } = this.#options;
    const joining = { id: identity.memberId, dc, rack, weight };
    // An empty ring leaves little to choose.
    const tokens = finished(
      chooseTokens(this.#options, joining, { partitioner, members: [] }, this.#deps.rng),
    );
    const founder: LayoutMember = { ...joining, address, ...frontEnds, tokens };
    this.#deps.keeper.found({
      clusterId: randomUuid(this.#deps.rng),
      clusterName,
      partitioner,
      members: [founder],
    });
  }

  #ask(): void {
    const { identity, address, frontEnds, gossip } = must(this.#running, "the member runs");
    const { dc, rack, weight, numTokens, allocator, initialToken, autoBootstrap } = this.#options;
    const id = identity.memberId;
    const addresses = { address, ...frontEnds };
    const place = { id, ...addresses, dc, rack, weight };
    const sponsor = gossip.members().find(({ isAlive, isSelf }) => isAlive && !isSelf)?.id ?? "";
    const choice = { numTokens, allocator, initialToken };
    const request = { ...place, ...choice, isAutomatic: autoBootstrap, sponsor };
    const value = formatJoinRequest(request);
    gossip.input({ kind: "set-state", name: JOIN, value, isUrgent: true });
    if (autoBootstrap && this.#options.seeds.slice(1).includes(address)) {
      this.#deps.logger.warn("member.own-seed", { address });
    }
    this.#addressWish = () => ({ kind: "addresses", id, addresses });
    this.#deps.keeper.want(this.#addressWish);
    this.review();
  }

  /**
   * The start is over when gossip runs, this member is in the layout that is read from, as it is
   * configured, and the live members agree on the newest layout, which this one has taken over: it
   * may have been removed from the ring meanwhile, or given another place in it.
   */
  #checkJoined(history: LayoutHistory, { gossip, identity }: MembershipRunning): void {
    if (this.#isOut(history, identity.memberId)) return;
    const entry = readLayoutOf(history).members.find(({ id }) => id === identity.memberId);
    if (entry === undefined) return this.#checkRefusal();
    if (!this.#isGossiping || this.#isJoined) return;
    if (dissenters(history, gossip.members()).length > 0) return;
    if (isBehind(history, gossip.members())) return;
    // A member that is leaving is in older layouts only.
    const newest = activeMembers(history).find(({ id }) => id === entry.id) ?? entry;
    if (!this.#placeCheck.passes(newest, this.#options)) return;
    this.#isJoined = true;
    gossip.input({ kind: "set-state", name: "TOKENS", value: entry.tokens.join(",") });
    gossip.input({ kind: "set-state", name: "STATUS", value: "NORMAL" });
    gossip.input({ kind: "set-state", name: JOIN, value: "" });
    this.#joined();
  }

  /** True if this member has left the ring, or was removed from it. */
  #isOut(history: LayoutHistory, id: string): boolean {
    const { leavingIds, removedIds } = headOf(history);
    const isActive = activeMembers(history).some((member) => member.id === id);
    const isRemoved = removedIds.includes(id);
    if (!isRemoved && (isActive || !leavingIds.includes(id))) return false;
    if (this.#isGone) return true;
    this.#isGone = true;
    const reason = isRemoved
      ? `this member (${id}) was removed from the ring and never comes back; ` +
        "start it with an empty data directory to join as a new one"
      : "this member has left the ring";
    this.#deps.refuseBecause(reason);
    this.#deps.logger.warn(isRemoved ? "member.removed" : "member.left", { memberId: id, reason });
    this.fail(new Error(reason));
    this.#running?.gossip.input({
      kind: "set-state",
      name: "STATUS",
      value: "LEFT",
      isUrgent: true,
    });
    return true;
  }

  /** Not in the ring yet: a start ends when the ring does not take it in. */
  #checkRefusal(): void {
    const { gossip, identity } = must(this.#running, "the member runs");
    const reason = refusalOf(gossip.members(), identity.memberId);
    if (reason !== undefined) this.fail(new Error(`the ring does not take it in: ${reason}`));
  }
}
