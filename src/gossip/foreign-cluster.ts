/** Messages of members that belong to another cluster: they are not heard, and sometimes answered. */
import type { GossipInstant } from "./gossip-io.ts";
import type { GossipMessage } from "./messages.ts";
import type { Outbox } from "./outbox.ts";

/** True if the message comes from another cluster; says so in the log, and to its sender if it may help. */
export function isForeign(message: GossipMessage, outbox: Outbox, now: GossipInstant): boolean {
  const { from, cluster } = message;
  const own = outbox.cluster;
  const isSame =
    cluster.name === own.name &&
    cluster.partitioner === own.partitioner &&
    (cluster.id === undefined || own.id === undefined || cluster.id === own.id);
  if (isSame) return false;
  const fields = { ours: own, theirs: cluster };
  outbox.complain("gossip.other-cluster", from.address, { fields, now });
  if (cluster.name === own.name) tellDifference(message, outbox);
  return true;
}

/** Who asks gets an answer that shows the difference, or it would ask for ever. */
function tellDifference({ kind, from, cluster }: GossipMessage, outbox: Outbox): void {
  const { address } = from;
  if (kind === "syn") {
    outbox.send(address, { kind: "ack2", states: [], offer: undefined });
  } else if (cluster.partitioner !== outbox.cluster.partitioner) {
    outbox.emit({ kind: "other-partitioner", address, partitioner: cluster.partitioner });
  } else {
    outbox.emit({ kind: "other-cluster", address, clusterId: cluster.id ?? "" });
  }
}
