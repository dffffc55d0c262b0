import { describe, expect, test } from "vitest";
import type { GossipMember } from "../gossip/gossip-io.ts";
import { headOf } from "../layout/history.ts";
import { keyspace, member, memberId, start } from "../layout/testing.suite.ts";
import { silentLogger } from "../model/deps.ts";
import { ManualClock } from "../model/manual-clock.suite.ts";
import { MemoryDisk } from "../storage/memory-disk.ts";
import { SeededRng } from "../util/random.ts";
import { JOIN, JoinRequests, type JoinRequest, formatJoinRequest } from "./join-requests.ts";
import { LayoutKeeper } from "./layout-keeper.ts";
import { realClock } from "./real-clock.ts";

/** Whenever it is asked, a millisecond has passed: work in slices needs many turns. */
class BusyClock extends ManualClock {
  override monotonicMs(): number {
    return this.nowMs++;
  }
}

function asking(number: number, fields: Partial<JoinRequest> = {}): GossipMember {
  const { tokens: _, ...place } = member(number);
  const request: JoinRequest = {
    ...place,
    numTokens: 4,
    allocator: "balanced",
    initialToken: [],
    isAutomatic: true,
    sponsor: memberId(1),
    ...fields,
  };
  return {
    id: memberId(number),
    address: place.address,
    generation: 1,
    heartbeat: 1,
    isAlive: true,
    isSelf: false,
    layout: undefined,
    states: { [JOIN]: { value: formatJoinRequest(request), version: 1 } },
  };
}

/** The side of a ring of one member. */
class Sponsor {
  readonly clock = new BusyClock();
  readonly refusals: Record<string, string>[] = [];
  readonly keeper = new LayoutKeeper({
    clock: realClock,
    logger: silentLogger,
    disk: new MemoryDisk({ clock: realClock }),
    factsOf: () => undefined,
    isAlive: () => true,
    onChange: () => {},
  });
  readonly #joins: JoinRequests = new JoinRequests({
    clock: this.clock,
    keeper: this.keeper,
    rng: new SeededRng(1),
    logger: silentLogger,
    onRefusals: (text) => this.refusals.push(JSON.parse(text) as Record<string, string>),
    onChosen: () => this.review(),
  });
  #asking: readonly GossipMember[] = [];

  async found(): Promise<void> {
    this.keeper.load(memberId(1));
    this.keeper.found(start(member(1)));
    await this.keeper.saved();
  }

  hear(...asking: readonly GossipMember[]): void {
    this.#asking = asking;
    this.review();
  }

  review(): void {
    this.#joins.review(this.keeper.head!, this.#asking, (sponsor) => sponsor === memberId(1));
  }

  /** Lets it choose what there is to choose. */
  async chosen(): Promise<void> {
    await this.clock.runFor(1_000_000);
    await this.keeper.saved();
  }

  get ring(): { counter: number; ids: string[] } {
    const { version, members } = headOf(this.keeper.newest!);
    return { counter: version.counter, ids: members.map(({ id }) => id) };
  }
}

const idsOf = (...numbers: readonly number[]): string[] => numbers.map(memberId);

describe("requests to join", () => {
  test("are granted together, once tokens are chosen for all of them", async () => {
    const sponsor = new Sponsor();
    await sponsor.found();
    sponsor.hear(asking(2), asking(3), asking(4, { isAutomatic: false }));
    expect(sponsor.ring).toEqual({ counter: 1, ids: idsOf(1) });
    await sponsor.chosen();
    const { counter, ids } = sponsor.ring;
    expect(ids).toEqual(idsOf(1, 2, 3));
    const tokens = sponsor.keeper.head!.members.flatMap((each) => each.tokens);
    expect(new Set(tokens).size).toBe(9);
    sponsor.review();
    await sponsor.chosen();
    expect(sponsor.ring.counter).toBe(counter);
  });

  test("wait for other tokens where the ring has become another one meanwhile", async () => {
    const sponsor = new Sponsor();
    await sponsor.found();
    sponsor.hear(asking(2));
    const wish = () => ({ kind: "keyspace", definition: keyspace("k") }) as const;
    sponsor.keeper.want(wish);
    expect(sponsor.ring).toEqual({ counter: 2, ids: idsOf(1) });
    await sponsor.chosen();
    expect(sponsor.ring).toEqual({ counter: 3, ids: idsOf(1, 2) });
  });

  test("are refused with the reason, each by itself", async () => {
    const sponsor = new Sponsor();
    await sponsor.found();
    const [own] = member(1).tokens;
    sponsor.hear(asking(2, { initialToken: [own!] }), asking(3));
    await sponsor.chosen();
    expect(sponsor.ring.ids).toEqual(idsOf(1, 3));
    expect(sponsor.refusals.at(-1)).toEqual({
      [memberId(2)]: expect.stringMatching(`token ${own} .* belongs to member ${memberId(1)}`),
    });
    sponsor.hear(asking(3));
    expect(sponsor.refusals.at(-1)).toEqual({});
  });
});
