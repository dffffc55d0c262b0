/**
 * What members tell about the layouts that they live in, as application states of gossip.
 *
 * A member's states reach the others in the order in which it set them, never the later one without
 * the earlier one, and the layout that it lives in always comes first.
 */
import type { MemberFacts, VersionMark } from "../layout/history.ts";
import type { GossipShell } from "./gossip-shell.ts";
import { JOIN, JOIN_REFUSED } from "./join-requests.ts";

/** The newest layout of which a member holds everything. */
const SYNC = "SYNC";
/** The layout that a member reads from. */
const READS = "READS";

/** Application states that layouts and joins depend on: only these are news to a member. */
export const NEWS: ReadonlySet<string> = new Set([
  "LAYOUT",
  "STATUS",
  READS,
  SYNC,
  JOIN,
  JOIN_REFUSED,
]);

export function gossipedFacts(gossip: GossipShell, memberId: string): MemberFacts {
  return {
    ack: gossip.layoutOf(memberId),
    synced: parseMark(gossip.state(memberId, SYNC)),
    reads: parseMark(gossip.state(memberId, READS)),
  };
}

/** Tells the others at once what is new; the layout itself is told by gossip's own input. */
export function spreadFacts(
  gossip: GossipShell,
  selfId: string,
  { synced, reads }: MemberFacts,
): void {
  for (const [name, mark] of [
    [SYNC, synced],
    [READS, reads],
  ] as const) {
    if (mark === undefined) continue;
    const value = `${mark.counter}:${mark.hash}`;
    if (gossip.state(selfId, name) === value) continue;
    gossip.input({ kind: "set-state", name, value, isUrgent: true });
  }
}

function parseMark(text: string | undefined): VersionMark | undefined {
  const [, counter, hash] = /^(\d{1,15}):([0-9a-f]{32})$/.exec(text ?? "") ?? [];
  return hash === undefined ? undefined : { counter: Number(counter), hash };
}
