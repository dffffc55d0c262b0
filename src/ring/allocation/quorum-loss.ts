/**
 * What the number of tokens costs in availability (Lynch and Snyder, "Cassandra availability with
 * virtual nodes", 2018): with more tokens a failed member shares ranges with more neighbours, so it is
 * restored by more of them at once, but nearly any second failure in that time breaks a quorum.
 *
 * Their text quotes 0.35 outages for 4 tokens, which is their formula's value for 2; the formula
 * is what counts here.
 */

export interface ClusterModel {
  readonly members: number;
  readonly rf: number;
  readonly tokensPerMember: number;
  /** Failures of one member per century. */
  readonly failuresPerCentury: number;
  readonly dataPerMemberBytes: number;
  /** What a member can take in while it is rebuilt. */
  readonly inboundBytesPerSecond: number;
  /** What each neighbour gives to it. */
  readonly outboundBytesPerSecond: number;
}

export interface QuorumLoss {
  /** Expected number of members that share a range with a given one. */
  readonly neighbours: number;
  /** How long a failed member is missing. */
  readonly recoverySeconds: number;
  /** How often in a century some range loses its quorum. */
  readonly outagesPerCentury: number;
}

/** The setting of the paper; vary `members` and `tokensPerMember`. */
export const LYNCH_SNYDER_MODEL: ClusterModel = {
  members: 96,
  rf: 3,
  tokensPerMember: 16,
  failuresPerCentury: 25,
  // 300 GB at 1024 MB each, against MB/s of a million bytes: this is what gives the paper's figures.
  dataPerMemberBytes: 300 * 1024e6,
  inboundBytesPerSecond: 125e6,
  outboundBytesPerSecond: 12.5e6,
};

const SECONDS_PER_CENTURY = 100 * 365.25 * 24 * 3600;

/** Expected neighbours of a member, of those in other racks: n - n / RF candidates. */
export function expectedNeighbours(
  model: Pick<ClusterModel, "members" | "rf" | "tokensPerMember">,
): number {
  const candidates = model.members - model.members / model.rf;
  const draws = 2 * model.tokensPerMember * (model.rf - 1);
  return candidates * (1 - (1 - 1 / candidates) ** draws);
}

export function quorumLoss(model: ClusterModel): QuorumLoss {
  const neighbours = expectedNeighbours(model);
  const bytesPerSecond = Math.min(
    model.inboundBytesPerSecond,
    neighbours * model.outboundBytesPerSecond,
  );
  const recoverySeconds = model.dataPerMemberBytes / bytesPerSecond;
  const failuresPerSecond = model.failuresPerCentury / SECONDS_PER_CENTURY;
  const outageGivenFailure = 1 - Math.exp(-recoverySeconds * neighbours * failuresPerSecond);
  const failures = model.members * model.failuresPerCentury;
  return { neighbours, recoverySeconds, outagesPerCentury: failures * outageGivenFailure };
}
