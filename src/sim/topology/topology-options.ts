/**
 * What one seed of the topology simulation stands for: small rings, few keys, little time, and many
 * changes of the ring, so that they overlap with one another and with every fault.
 *
 * As in swarm.ts each run switches a random part of it all on: a run that does everything at once
 * hardly ever finishes anything.
 */
import {
  SeededRng,
  type Uint32Source,
  randomBelow,
  randomChoice,
  randomFraction,
} from "../../util/random.ts";
import {
  type KeyspacePlan,
  type MachinePlace,
  type SimulationOptions,
  type WorkloadPlan,
  drawOptions,
} from "../swarm.ts";

/** What the operator of the simulation does. */
export const OPERATIONS = [
  "join",
  "join-waiting",
  "leave",
  "lose",
  "remove",
  "replace",
  "move",
  "weight",
  "num-tokens",
  "place",
  "replication",
  "double",
  "several",
  "revert",
  "race",
  "stale",
  "cut-off",
  "task",
  "cleanup",
  "rebuild",
  "drain",
  "assassinate",
] as const;
export type OperationKind = (typeof OPERATIONS)[number];

export interface TopologyPlan {
  /** Operations of the operator. */
  readonly operations: number;
  /** Mean time between the starts of two of them. */
  readonly gapMeanMs: number;
  readonly weights: Readonly<Record<OperationKind, number>>;
  readonly ringMin: number;
  readonly ringMax: number;
  readonly racks: number;
  readonly datacenters: readonly string[];
}

export interface TopologyOptions extends SimulationOptions {
  readonly topology: TopologyPlan;
}

/** What a caller may fix instead of leaving it to the seed. */
export interface TopologyOverrides {
  readonly operations?: number | undefined;
}

export function drawTopologyOptions(
  seed: number,
  overrides: TopologyOverrides = {},
): TopologyOptions {
  const rng = new SeededRng(seed ^ 0x7070);
  const datacenters = chance(rng, 0.7) ? ["dc1"] : ["dc1", "dc2"];
  const base = drawOptions(seed, { members: 2 + datacenters.length + randomBelow(rng, 3) });
  const racks = 1 + randomBelow(rng, 3);
  const machines = base.machines.map((place, index) => ({
    ...place,
    dc: datacenters[index % datacenters.length] ?? "dc1",
    rack: `rack${1 + (Math.floor(index / datacenters.length) % racks)}`,
  }));
  return {
    ...base,
    machines,
    keyspaces: drawKeyspaces(rng, machines),
    numTokens: randomChoice(rng, [1, 2, 4]) ?? 2,
    workload: { ...base.workload, ...drawWorkload(rng) },
    disturbanceGapMs: chance(rng, 0.8) ? 500 + randomBelow(rng, 4000) : 0,
    // Frames that carry bodies larger than this would be refused for ever.
    network: { ...base.network, queueBytesMax: 16 << 20 },
    inFlightBytesMax: 1 << 20,
    gossipIntervalMs: randomChoice(rng, [200, 400, 800]) ?? 400,
    endsInPowerLoss: chance(rng, 0.25),
    topology: {
      operations: overrides.operations ?? 25 + randomBelow(rng, 30),
      gapMeanMs: randomChoice(rng, [50, 150, 400, 1000]) ?? 300,
      weights: drawWeights(rng),
      ringMin: 1 + datacenters.length + randomBelow(rng, 2),
      ringMax: 5 + randomBelow(rng, 3),
      racks,
      datacenters,
    },
  };
}

function drawWorkload(rng: Uint32Source): Partial<WorkloadPlan> {
  return {
    clients: 2 + randomBelow(rng, 3),
    // They go on until the operator has done everything.
    operations: Number.MAX_SAFE_INTEGER,
    thinkMeanMs: 30 + randomBelow(rng, 150),
    hotKeys: 1 + randomBelow(rng, 4),
    coldKeys: 15 + randomBelow(rng, 30),
    quorumShare: 0.85 + 0.15 * randomFraction(rng),
    quorum: randomChoice(rng, ["QUORUM", "LOCAL_QUORUM"] as const),
    valueBytesMax: randomChoice(rng, [16, 200]) ?? 16,
    oddDurabilityShare: 0,
  };
}

function chance(rng: Uint32Source, probability: number): boolean {
  return randomFraction(rng) < probability;
}

function drawKeyspaces(rng: Uint32Source, machines: readonly MachinePlace[]): KeyspacePlan[] {
  const datacenters = [...new Set(machines.map(({ dc }) => dc))];
  const factorFor = (members: number): number =>
    Math.min(members, chance(rng, 0.7) ? 3 : 1 + randomBelow(rng, 4));
  const named = (name: string): KeyspacePlan => {
    const factors = datacenters.map((dc) => {
      const members = machines.filter((machine) => machine.dc === dc);
      return [dc, factorFor(members.length)] as const;
    });
    const isGrouped = chance(rng, datacenters.length > 1 ? 0.8 : 0.5);
    const replication = isGrouped ? Object.fromEntries(factors) : factorFor(machines.length);
    return { name, durability: "fsync", replication };
  };
  return chance(rng, 0.5) ? [named("safe")] : [named("safe"), named("other")];
}

function drawWeights(rng: Uint32Source): Record<OperationKind, number> {
  const entries = OPERATIONS.map((kind) => {
    const isBasic = kind === "join" || kind === "leave" || kind === "join-waiting";
    return [kind, isBasic || chance(rng, 0.6) ? 0.1 + randomFraction(rng) : 0] as const;
  });
  return Object.fromEntries(entries) as Record<OperationKind, number>;
}
