/** All members of a ring need one partitioner, and a ring keeps the one that it was founded with. */

/** Keys lie where the ring's partitioner puts them: with another one none would be found. Throws. */
export function requirePartitioner(configured: string, ofRing: string | undefined): void {
  if (ofRing === undefined || ofRing === configured) return;
  throw new Error(
    `the partitioner of this ring is ${ofRing}, in the configuration it is ${configured}; ` +
      `it cannot be changed: set partitioner to ${ofRing}`,
  );
}

/** Why a member cannot join the ring of the one that answered. */
export function otherPartitioner(configured: string, theirs: string, address: string): Error {
  return new Error(
    `the member at ${address} uses the partitioner ${theirs} and this one ${configured}; ` +
      "all members of a ring need the same one",
  );
}

/** Why a member with data of one ring cannot be in another one of the same name. */
export function otherCluster(ours: string, theirs: string, address: string): Error {
  return new Error(
    `the data directory belongs to the ring ${ours}, and the member at ${address} to the ring ${theirs}, which has ` +
      "the same name and was founded separately; give other seeds, or an empty data directory",
  );
}
