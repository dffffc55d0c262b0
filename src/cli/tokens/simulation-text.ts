/** The report of a simulation for people. Shares are of one copy of the data. */
import { alignedRows, percentText } from "../layout.ts";
import type { MemberReport, QuorumModel, RingState, SimulationReport } from "./simulation.ts";

const ROWS_MAX = 40;

export function simulationText(report: SimulationReport): string {
  const options = Object.entries(report.replication).map(([name, value]) => `${name} ${value}`);
  const sections = [
    `Keyspace ${report.keyspace}: ${options.join(", ")}; ${report.partitioner}`,
    membersText(report),
    balanceText(report),
    ...(report.rebalances.length > 0 ? [rebalancesText(report)] : []),
    ...(report.isChanged ? [transfersText(report)] : []),
    rackText(report),
    lossText(report),
    ...report.quorumModels.map(modelText),
  ];
  return `${sections.map((section) => section.trimEnd()).join("\n\n")}\n`;
}

/** Cells say `before -> after` where something changes. */
function membersText({ members, isChanged }: SimulationReport): string {
  const heading = ["Member", "DC", "Rack", "Weight", "Tokens", "Owns", "Transient", "Rebuilt by"];
  const hasTransient = members.some((member) =>
    [member.before, member.after].some((state) => (state?.ownsTransient ?? 0) > 0),
  );
  const rows = members.map(({ name, dc, rack, before, after }) => {
    const cell = (text: (state: NonNullable<MemberReport["before"]>) => string): string => {
      const [old, now] = [before, after].map((state) => (state === undefined ? "-" : text(state)));
      return !isChanged || old === now ? (now ?? "") : `${old} -> ${now}`;
    };
    return [
      name,
      dc,
      rack,
      cell(({ weight }) => String(weight)),
      cell(({ tokens }) => String(tokens)),
      cell(({ owns }) => percentText(owns, 1)),
      cell(({ ownsTransient }) => percentText(ownsTransient, 1)),
      cell(({ rebuildMembers }) => String(rebuildMembers)),
    ];
  });
  const isShown = (_: string, column: number): boolean =>
    hasTransient || heading[column] !== "Transient";
  return tableText([heading, ...rows].map((row) => row.filter(isShown)));
}

function rebalancesText({ rebalances }: SimulationReport): string {
  const rows = rebalances.map(({ dc, rack, movedTokens, moved, minimum, minimumInOrder }) => [
    [dc ?? "all", ...(rack === undefined ? [] : [rack])].join("/"),
    String(movedTokens),
    percentText(moved, 2),
    percentText(minimum, 2),
    minimumInOrder === undefined ? "not enough" : percentText(minimumInOrder, 2),
  ]);
  return [
    "Rebalance (to within 1% of the evenest that racks allow, within the budget)",
    tableText([["Ring", "Tokens moved", "Data moved", "At least", "Between neighbours"], ...rows]),
  ].join("\n");
}

function balanceText({ before, after, isChanged, hasShares }: SimulationReport): string {
  if (!hasShares) return "Balance: unknown, this partitioner's ring has no widths";
  const line = ({ dc, min, max, standardDeviation }: RingState["balance"][number]): string =>
    `${dc} ${min.toFixed(3)} to ${max.toFixed(3)}, standard deviation ${standardDeviation.toFixed(3)}`;
  const lines = [
    ...(isChanged ? before.balance.map((balance) => `  before  ${line(balance)}`) : []),
    ...after.balance.map((balance) => `  ${isChanged ? "after " : "now   "}  ${line(balance)}`),
  ];
  return ["Balance (data per weight, 1 = a fair share)", ...lines].join("\n");
}

function transfersText(report: SimulationReport): string {
  const { transfers, hasShares, moved, minimum, withoutSource, transient } = report;
  if (moved === 0 && transient.moved === 0) return "Nothing moves";
  const share = (value: number): string => percentText(hasShares ? value : undefined, 2);
  const rows = transfers
    .slice(0, ROWS_MAX)
    .map((transfer) => [
      transfer.from,
      transfer.to,
      String(transfer.rangeCount),
      share(transfer.share),
    ]);
  const senders = new Set(transfers.map(({ from }) => from)).size;
  const receivers = new Set(transfers.map(({ to }) => to)).size;
  const rest = transfers.length - rows.length;
  return [
    "Data that moves (100% = one copy of all data)",
    tableText([["From", "To", "Ranges", "Share"], ...rows]),
    ...(rest > 0 ? [`and ${rest} more pairs (--json has all)`] : []),
    `Together ${share(moved)}, from ${senders} to ${receivers} members; at least ${share(minimum)} has to move`,
    ...(transient.moved > 0
      ? [`and what is not yet repaired of ${share(transient.moved)}, to new transient replicas`]
      : []),
    ...(withoutSource > 0
      ? [`LOST: nobody who is up holds ${share(withoutSource)} that has to be sent`]
      : []),
  ].join("\n");
}

function rackText({ before, after, isChanged, hasShares }: SimulationReport): string {
  const share = (value: number): string => percentText(hasShares ? value : undefined, 1);
  const sum = ({ rackViolations }: RingState): number =>
    rackViolations.reduce((total, violation) => total + violation.share, 0);
  if (after.rackViolations.length === 0) {
    const fixed = isChanged && before.rackViolations.length > 0 ? " any more" : "";
    return `Rack rule: no replicas share a rack without need${fixed}`;
  }
  const rows = after.rackViolations
    .slice(0, ROWS_MAX)
    .map(({ dc, members, share: part, rangeCount }) => [
      dc,
      members.join(" "),
      String(rangeCount),
      share(part),
    ]);
  const was = isChanged ? ` (before: ${share(sum(before))})` : "";
  return [
    `Rack rule: replicas of ${share(sum(after))} of the ring share a rack without need${was}`,
    tableText([["DC", "Replicas", "Ranges", "Share"], ...rows]),
  ].join("\n");
}

function lossText({ before, after, isChanged }: SimulationReport): string {
  const line = ({ availability }: RingState): string => {
    const { neighbours, pairs, fatalPairs, fatalRacks } = availability;
    const chance = pairs === 0 ? undefined : fatalPairs / pairs;
    const racks = fatalRacks.map(({ dc, rack }) => `${dc}/${rack}`).join(", ");
    return (
      `${neighbours.toFixed(1)} neighbours; two random failures take a quorum in ` +
      `${fatalPairs} of ${pairs} pairs (${percentText(chance, 1)}); ` +
      (racks === "" ? "no rack does" : `so do racks ${racks}`)
    );
  };
  const lines = isChanged
    ? [`  before  ${line(before)}`, `  after   ${line(after)}`]
    : [`  ${line(after)}`];
  return ["Losing the quorum of a range", ...lines].join("\n");
}

function modelText({ dc, members, rf, tokensPerMember, rows }: QuorumModel): string {
  const place = dc === undefined ? "" : ` in ${dc}`;
  const table = rows.map((row) => [
    row.tokensPerMember === tokensPerMember ? `${row.tokensPerMember} *` : `${row.tokensPerMember}`,
    row.neighbours.toFixed(1),
    row.outagesPerCentury.toFixed(2),
  ]);
  return [
    `Model of Lynch and Snyder: ${members} members${place}, RF ${rf}, 25 failures per member and`,
    "century, 300 GB per member, 125 MB/s in, 12.5 MB/s out (* = about this ring)",
    tableText([["Tokens", "Neighbours", "Quorum losses per century"], ...table]),
  ].join("\n");
}

function tableText(rows: readonly (readonly string[])[]): string {
  return alignedRows(rows)
    .map((row) => row.trimEnd())
    .join("\n");
}
