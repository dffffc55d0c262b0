/**
 * How a member gets into the ring: it asks, the ring takes it in.
 *
 * A commit may only come from a member: everybody waits for the acks of members, and a fork that a
 * stranger made could win unseen (layout/history.ts). So who wants to join tells it by gossip, in an
 * application state of its own, and its sponsor, a member that it has talked to, commits it. If the
 * sponsor is gone, the live member with the least id does, and if two do it at once the fork resolves
 * itself. The tokens are chosen by whoever commits, for the ring that they are committed on.
 *
 * A request that cannot be granted is answered the same way, in a state of the member that looked at it.
 */
import type { GossipMember } from "../gossip/gossip-io.ts";
import { decodePlace } from "../layout/encoding.ts";
import { headOf } from "../layout/history.ts";
import type { LayoutIntent } from "../layout/intents.ts";
import type { Layout, LayoutMember } from "../layout/layout.ts";
import type { WaitingMember } from "../layout/staging.ts";
import type { Clock, Logger, Rng } from "../model/deps.ts";
import { InvariantError } from "../util/assert.ts";
import type { Stepwise } from "../util/stepwise.ts";
import { asBoolean, asInteger, asList, asOneOf, asRecord, asText } from "../util/untrusted.ts";
import type { LayoutKeeper, Wish } from "./layout-keeper.ts";
import { ALLOCATORS } from "./options-table.ts";
import { inSlices } from "./slices.ts";
import { chooseTokens } from "./token-choice.ts";

/** Application states. */
export const JOIN = "JOIN";
export const JOIN_REFUSED = "JOIN_REFUSED";

const TEXT_MAX = 300;
const TOKENS_MAX = 4096;
const REASON_MAX = 500;
const REFUSALS_MAX = 16;

/** What a member tells of itself that wants to be in the ring. */
export interface JoinRequest extends WaitingMember {
  /** False: it waits for an operator to plan it. */
  readonly isAutomatic: boolean;
  /** The member that shall take it in; empty if it knows none. */
  readonly sponsor: string;
}

export function formatJoinRequest(request: JoinRequest): string {
  return JSON.stringify(request);
}

/** The request of a member, if it has made one that can be read. */
export function joinRequestOf(member: GossipMember): JoinRequest | undefined {
  const text = member.states[JOIN]?.value;
  if (text === undefined || text === "") return undefined;
  try {
    const request = parseJoinRequest(JSON.parse(text));
    return { ...request, id: member.id, address: member.address };
  } catch {
    return undefined;
  }
}

function parseJoinRequest(data: unknown): JoinRequest {
  const record = asRecord(data, JOIN);
  return {
    ...decodePlace(record, JOIN),
    numTokens: asInteger(record["numTokens"], `${JOIN}.numTokens`, { min: 1, max: TOKENS_MAX }),
    allocator: asOneOf(record["allocator"], `${JOIN}.allocator`, ALLOCATORS),
    initialToken: asList(record["initialToken"], `${JOIN}.initialToken`, TOKENS_MAX).map(
      (token, index) => asText(token, `${JOIN}.initialToken[${index}]`, TEXT_MAX),
    ),
    isAutomatic: asBoolean(record["isAutomatic"], `${JOIN}.isAutomatic`),
    sponsor: asText(record["sponsor"], `${JOIN}.sponsor`, TEXT_MAX),
  };
}

/** Why a member has refused to take in the one with this id; undefined if nobody has. */
export function refusalOf(members: readonly GossipMember[], id: string): string | undefined {
  for (const { isAlive, states } of members) {
    const text = states[JOIN_REFUSED]?.value;
    if (!isAlive || text === undefined) continue;
    try {
      const reason: unknown = asRecord(JSON.parse(text), JOIN_REFUSED)[id];
      if (typeof reason === "string") return reason;
    } catch {
      continue;
    }
  }
  return undefined;
}

/** Live members outside the layout that ask to be in it. */
export function strangersOf(layout: Layout, members: readonly GossipMember[]): JoinRequest[] {
  return members
    .filter(({ id, isAlive }) => isAlive && !isKnown(layout, id))
    .map((member) => joinRequestOf(member))
    .filter((request) => request !== undefined);
}

function isKnown({ members, leavingIds, removedIds }: Layout, id: string): boolean {
  return members.some((one) => one.id === id) || [...leavingIds, ...removedIds].includes(id);
}

/** What a request leads to: a member of the ring, or the reason why not. */
type Place = LayoutMember | Error;

export interface JoinRequestsDeps {
  readonly clock: Clock;
  readonly keeper: LayoutKeeper;
  readonly rng: Rng;
  readonly logger: Logger;
  /** Tells the others the refusals, as JSON of reasons by id. */
  readonly onRefusals: (text: string) => void;
  /** Tokens have been chosen: it is time for a review. */
  readonly onChosen: () => void;
}

/**
 * The side of the ring: grants what is asked for.
 *
 * Tokens are chosen between requests of clients, which takes a while. So a review only begins that, and the one
 * when it is done commits all together, unless the ring has become another one.
 */
export class JoinRequests {
  readonly #deps: JoinRequestsDeps;
  #refusals = "{}";
  #isChoosing = false;
  /** Places by member id, and for which ring and requests they were chosen. */
  #chosen: { readonly of: string; readonly places: ReadonlyMap<string, Place> } | undefined;

  constructor(deps: JoinRequestsDeps) {
    this.#deps = deps;
  }

  /** Called with all news. */
  review(
    head: Layout,
    members: readonly GossipMember[],
    isMine: (sponsor: string) => boolean,
  ): void {
    const requests = strangersOf(head, members).filter(
      ({ isAutomatic, sponsor }) => isAutomatic && isMine(sponsor),
    );
    if (requests.length === 0) return this.#refuse({});
    const places = this.#placesFor(requests);
    if (places !== undefined) this.#refuse(this.#propose(places));
  }

  /** Undefined while they are being chosen. */
  #placesFor(requests: readonly JoinRequest[]): ReadonlyMap<string, Place> | undefined {
    const { newest } = this.#deps.keeper;
    if (newest === undefined || this.#isChoosing) return undefined;
    const ring = headOf(newest);
    // Some may be in a layout that is still on its way to the disk.
    const isIn = (id: string): boolean => ring.members.some((member) => member.id === id);
    const missing = requests.filter(({ id }) => !isIn(id));
    if (missing.length === 0) return new Map();
    const of = JSON.stringify([ring.version, missing]);
    if (this.#chosen?.of !== of) return this.#choose(of, ring, missing);
    return this.#chosen.places;
  }

  #choose(of: string, ring: Layout, requests: readonly JoinRequest[]): undefined {
    const { clock, rng, onChosen } = this.#deps;
    this.#isChoosing = true;
    void inSlices(placesOf(requests, ring, rng), clock).then((places) => {
      this.#chosen = { of, places };
      this.#isChoosing = false;
      onChosen();
    });
  }

  /** Reasons by id of those that cannot be had. */
  #propose(places: ReadonlyMap<string, Place>): Readonly<Record<string, string>> {
    const ids = new Map<Wish, string>();
    for (const [id, place] of places) ids.set(() => joinAt(place), id);
    const refused: Record<string, string> = {};
    if (ids.size === 0) return refused;
    for (const [wish, error] of this.#deps.keeper.propose([...ids.keys()])) {
      const id = ids.get(wish);
      if (id === undefined || Object.keys(refused).length >= REFUSALS_MAX) continue;
      refused[id] = error.message.slice(0, REASON_MAX);
      this.#deps.logger.warn("join.refused", { memberId: id, reason: error.message });
    }
    return refused;
  }

  #refuse(refused: Readonly<Record<string, string>>): void {
    const text = JSON.stringify(refused);
    if (text === this.#refusals) return;
    this.#refusals = text;
    this.#deps.onRefusals(text);
  }
}

function joinAt(place: Place): LayoutIntent {
  if (place instanceof Error) throw place;
  return { kind: "join", member: place };
}

/** Places by member id; each one is chosen with those before it in the ring. */
function* placesOf(
  requests: readonly JoinRequest[],
  { partitioner, members: present }: Layout,
  rng: Rng,
): Stepwise<ReadonlyMap<string, Place>> {
  const places = new Map<string, Place>();
  const members = [...present];
  for (const request of requests) {
    const { id, address, respAddress, httpAddress, dc, rack, weight } = request;
    const joining = { id, dc, rack, weight };
    try {
      const tokens = yield* chooseTokens(request, joining, { partitioner, members }, rng);
      const member = { id, address, respAddress, httpAddress, dc, rack, weight, tokens };
      places.set(id, member);
      members.push(member);
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      places.set(id, error as Error);
    }
  }
  return places;
}
