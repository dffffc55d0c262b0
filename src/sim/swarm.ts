/**
 * What one seed stands for: size and shape of the cluster, its options, the faults and how often.
 *
 * Swarm testing (Groce et al., 2012): each run switches a random subset of the faults on and draws
 * their rates, because rare combinations hide behind common ones. A cluster that is always crashing
 * never gets into the states that only hours of calm lead to, and the other way round.
 */
import type { Durability } from "../model/consistency.ts";
import type { LogEngineOptions } from "../storage/log/options.ts";
import {
  SeededRng,
  type Uint32Source,
  randomBelow,
  randomChoice,
  randomFraction,
} from "../util/random.ts";
import type { ReplicaCount } from "./history.ts";
import { CALM_NETWORK, type NetworkFaults } from "./simulated-network.ts";

/** The disturbances, each with its weight among those of its run; 0 is off. */
export const DISTURBANCES = [
  "power-loss",
  "kill",
  "power-loss-of-all",
  "restart",
  "freeze",
  "partition",
  "one-way-partition",
  "isolation",
  "clog",
  "clock-jump",
  "sync-failure",
  "disk-full",
] as const;
export type Disturbance = (typeof DISTURBANCES)[number];

export interface MachinePlace {
  readonly dc: string;
  readonly rack: string;
  readonly skewMs: number;
  /** Another address than the one that goes with the machine's index. */
  readonly address?: string | undefined;
}

export interface KeyspacePlan {
  readonly name: string;
  readonly durability: Durability;
  readonly replication: ReplicaCount;
}

export interface WorkloadPlan {
  readonly clients: number;
  /** Of all clients together. */
  readonly operations: number;
  readonly thinkMeanMs: number;
  readonly hotKeys: number;
  readonly coldKeys: number;
  readonly hotShare: number;
  readonly writeShare: number;
  readonly deleteShare: number;
  readonly expiringShare: number;
  /** Share of operations at quorum; the others draw from all levels. */
  readonly quorumShare: number;
  /** Which quorum; QUORUM by default. */
  readonly quorum?: "QUORUM" | "LOCAL_QUORUM" | undefined;
  readonly valueBytesMax: number;
  /** Share of writes with another durability than the keyspace's; an eighth by default. */
  readonly oddDurabilityShare?: number | undefined;
}

export interface SimulationOptions {
  readonly seed: number;
  readonly machines: readonly MachinePlace[];
  readonly keyspaces: readonly KeyspacePlan[];
  readonly numTokens: number;
  readonly workload: WorkloadPlan;
  readonly network: NetworkFaults;
  readonly disturbances: Readonly<Record<Disturbance, number>>;
  /** Mean time between two disturbances; 0 when there are none. */
  readonly disturbanceGapMs: number;
  readonly timerLatenessMs: number;
  readonly syncDelayMs: { readonly min: number; readonly max: number };
  readonly requestTimeoutMs: number;
  readonly speculativeRetryMs: number;
  readonly inFlightBytesMax: number;
  /** 200 by default: faster than in earnest, so that less time passes. */
  readonly gossipIntervalMs?: number | undefined;
  readonly engine: Partial<LogEngineOptions>;
  /** Before the last look at the replicas the power fails everywhere. */
  readonly endsInPowerLoss: boolean;
}

/** What a caller may fix instead of leaving it to the seed. */
export interface SimulationOverrides {
  readonly members?: number | undefined;
  readonly operations?: number | undefined;
}

/** Another source of chance, so that drawing more in one place changes nothing in others. */
export function fork(rng: Uint32Source): SeededRng {
  return new SeededRng((rng.uint32() >>> 11) * 0x1_0000_0000 + rng.uint32());
}

export function drawOptions(seed: number, overrides: SimulationOverrides = {}): SimulationOptions {
  const rng = new SeededRng(seed);
  const machines = drawMachines(rng, overrides.members ?? 3 + randomBelow(rng, 3));
  const isDisturbed = chance(rng, 0.9);
  return {
    seed,
    machines,
    keyspaces: drawKeyspaces(rng, machines),
    numTokens: randomChoice(rng, [1, 4, 8]) ?? 4,
    workload: drawWorkload(rng, overrides.operations ?? between(rng, 200, 400)),
    network: drawNetwork(rng),
    disturbances: drawDisturbances(rng),
    disturbanceGapMs: isDisturbed ? between(rng, 100, 1200) : 0,
    timerLatenessMs: chance(rng, 0.5) ? randomFraction(rng) * 5 : 0,
    syncDelayMs: drawSyncDelay(rng),
    requestTimeoutMs: between(rng, 300, 1500),
    speculativeRetryMs: between(rng, 5, 100),
    inFlightBytesMax: chance(rng, 0.1) ? between(rng, 200, 2000) : 1 << 20,
    engine: drawEngine(rng),
    endsInPowerLoss: chance(rng, 0.5),
  };
}

function chance(rng: Uint32Source, probability: number): boolean {
  return randomFraction(rng) < probability;
}

function between(rng: Uint32Source, min: number, max: number): number {
  return min + randomBelow(rng, max - min + 1);
}

/** A rate that is zero in some runs and small in most of the others. (No powers: simulated-network.ts.) */
function rate(rng: Uint32Source, isOn: number, max: number): number {
  return chance(rng, isOn) ? randomFraction(rng) * randomFraction(rng) * max : 0;
}

function drawMachines(rng: Uint32Source, count: number): MachinePlace[] {
  const datacenters = count >= 4 && chance(rng, 0.4) ? 2 : 1;
  const racks = between(rng, 1, 3);
  const skewMaxMs = chance(rng, 0.6) ? 10_000 : 0;
  return Array.from({ length: count }, (_, index) => ({
    dc: `dc${1 + (index % datacenters)}`,
    rack: `rack${1 + (Math.floor(index / datacenters) % racks)}`,
    skewMs: Math.floor((randomFraction(rng) * 2 - 1) * skewMaxMs),
  }));
}

function drawKeyspaces(rng: Uint32Source, machines: readonly MachinePlace[]): KeyspacePlan[] {
  const replication = drawReplication(rng, machines);
  const safe: KeyspacePlan = { name: "safe", durability: "fsync", replication };
  if (chance(rng, 0.6)) return [safe];
  const durability = randomChoice(rng, ["interval", "memory"] as const) ?? "memory";
  return [safe, { name: "volatile", durability, replication: drawReplication(rng, machines) }];
}

function drawReplication(rng: Uint32Source, machines: readonly MachinePlace[]): ReplicaCount {
  const factor = (count: number): number => (chance(rng, 0.7) ? Math.min(3, count) : count);
  const byDatacenter = new Map<string, number>();
  for (const { dc } of machines) byDatacenter.set(dc, (byDatacenter.get(dc) ?? 0) + 1);
  if (chance(rng, byDatacenter.size > 1 ? 0.3 : 0.6)) return factor(machines.length);
  return Object.fromEntries([...byDatacenter].map(([dc, count]) => [dc, factor(count)]));
}

function drawWorkload(rng: Uint32Source, operations: number): WorkloadPlan {
  return {
    clients: between(rng, 3, 10),
    operations,
    thinkMeanMs: between(rng, 5, 60),
    hotKeys: between(rng, 1, 4),
    coldKeys: between(rng, 5, 40),
    hotShare: randomFraction(rng),
    writeShare: 0.2 + 0.6 * randomFraction(rng),
    deleteShare: rate(rng, 0.7, 0.5),
    expiringShare: rate(rng, 0.6, 0.6),
    quorumShare: 0.3 + 0.7 * randomFraction(rng),
    valueBytesMax: randomChoice(rng, [16, 200, 3000]) ?? 200,
  };
}

function drawNetwork(rng: Uint32Source): NetworkFaults {
  return {
    delayMinMs: 0.05 + randomFraction(rng),
    delayMeanMs: chance(rng, 0.3) ? randomFraction(rng) * 40 : randomFraction(rng) * 3,
    frameLoss: rate(rng, 0.35, 0.3),
    frameDuplication: rate(rng, 0.35, 0.2),
    frameReorder: rate(rng, 0.35, 0.3),
    linkBreak: rate(rng, 0.35, 0.05),
    queueBytesMax: chance(rng, 0.1) ? 8192 : CALM_NETWORK.queueBytesMax,
  };
}

/** Weights with which nothing happens. */
export const NO_DISTURBANCES: Readonly<Record<Disturbance, number>> = Object.fromEntries(
  DISTURBANCES.map((name) => [name, 0]),
) as Record<Disturbance, number>;

function drawDisturbances(rng: Uint32Source): Record<Disturbance, number> {
  const weights = DISTURBANCES.map((name) => [
    name,
    chance(rng, 0.5) ? 0.05 + randomFraction(rng) : 0,
  ]);
  return Object.fromEntries(weights) as Record<Disturbance, number>;
}

function drawSyncDelay(rng: Uint32Source): { min: number; max: number } {
  const min = randomFraction(rng) * 2;
  return { min, max: min + (chance(rng, 0.3) ? 60 : 4) * randomFraction(rng) };
}

/** Small everywhere, so that a few hundred writes see segments closed, merged and recovered. */
function drawEngine(rng: Uint32Source): Partial<LogEngineOptions> {
  return {
    segmentBytes: 1024 * (randomChoice(rng, [8, 16, 64]) ?? 16),
    batchBytes: 16 * 1024,
    syncIntervalMs: between(rng, 20, 500),
    mergePauseMs: between(rng, 1, 10),
    mergeStepBytes: randomChoice(rng, [512, 4096]) ?? 4096,
    snapshotLogBytes: 1024 * (randomChoice(rng, [8, 32, 1024]) ?? 32),
    snapshotStepBytes: 1024,
    replayChunkBytes: 16 * 1024,
    keyBytesMax: 1024,
    valueBytesMax: 4096,
    arenaChunkBytes: 16 * 1024,
  };
}
