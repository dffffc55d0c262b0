/**
 * What members tell about the layouts that they live in, as application states of gossip.
 *
 * A member's states reach the others in the order in which it set them, never the later one without
 * the earlier one, and the layout that it lives in always comes first.
 */
import type { GossipMember } from "../gossip/gossip-io.ts";
import type { MemberFacts, VersionMark } from "../layout/history.ts";
import type { GossipShell } from "./gossip-shell.ts";

/** The newest layout of which a member holds everything. */
const SYNC = "SYNC";
/** The layout that a member reads from. */
const READS = "READS";

export function gossipedFacts(member: GossipMember | undefined): MemberFacts | undefined {
  if (member === undefined) return undefined;
  const { layout: ack, states } = member;
  return { ack, synced: parseMark(states[SYNC]?.value), reads: parseMark(states[READS]?.value) };
}

/** Tells the others at once what is new; the layout itself is told by gossip's own input. */
export function spreadFacts(gossip: GossipShell, { synced, reads }: MemberFacts): void {
  const own = gossip.members().find(({ isSelf }) => isSelf);
  for (const [name, mark] of [
    [SYNC, synced],
    [READS, reads],
  ] as const) {
    if (mark === undefined) continue;
    const value = `${mark.counter}:${mark.hash}`;
    if (own?.states[name]?.value === value) continue;
    gossip.input({ kind: "set-state", name, value, isUrgent: true });
  }
}

function parseMark(text: string | undefined): VersionMark | undefined {
  const [, counter, hash] = /^(\d{1,15}):([0-9a-f]{32})$/.exec(text ?? "") ?? [];
  return hash === undefined ? undefined : { counter: Number(counter), hash };
}
