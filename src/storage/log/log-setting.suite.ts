/** A log engine on a simulated disk, with small files, a clock that is told to go on, and a log. */
import type { LogFields, Logger } from "../../model/deps.ts";
import { SimulatedDisk } from "../../sim/simulated-disk.ts";
import { SeededRng } from "../../util/random.ts";
import { bytesOf, put, valueOf, write } from "../engine-harness.suite.ts";
import type { PutSink, RecoveryReport } from "../engine.ts";
import { VirtualClock } from "../virtual-clock.suite.ts";
import { LogEngine } from "./log-engine.ts";
import type { LogEngineOptions } from "./options.ts";

export const SMALL: Partial<LogEngineOptions> = {
  arenaChunkBytes: 16 * 1024,
  indexBucketBits: 8,
  segmentBytes: 4096,
  batchBytes: 2048,
  maintenanceMs: 10,
  mergePauseMs: 1,
};

export class Setting {
  readonly clock: VirtualClock = new VirtualClock();
  readonly events: string[] = [];
  readonly outcomes: string[] = [];
  disk: SimulatedDisk;
  engine!: LogEngine;

  /** @param chance - seeds what the disk loses. */
  constructor(chance = 1) {
    this.disk = new SimulatedDisk({ clock: this.clock, rng: new SeededRng(chance) });
  }

  async open(options: Partial<LogEngineOptions> = SMALL): Promise<RecoveryReport> {
    const note = (event: string, _fields?: LogFields) => void this.events.push(event);
    const logger: Logger = { debug: () => {}, info: note, warn: note, error: note };
    this.engine = new LogEngine({ disk: this.disk, clock: this.clock, logger }, options);
    return this.clock.run(this.engine.open());
  }

  /** The process ends; what it had written is there for the next one. */
  killProcess(): void {
    this.disk = this.disk.killProcess();
  }

  async put(
    key: string,
    text: string | undefined,
    fields: { readonly timestamp?: number; readonly tokenHi?: number } = {},
  ): Promise<void> {
    const value = text === undefined ? undefined : bytesOf(text);
    const cell = write({ key: bytesOf(key), value, timestamp: 1, ...fields });
    await this.clock.run(put(this.engine, cell, "fsync"));
  }

  value(key: string): string | undefined {
    return valueOf(this.engine, write({ key: bytesOf(key) }));
  }

  sink(name: string): PutSink {
    return {
      stored: () => this.outcomes.push(`${name} stored`),
      putFailed: (error) =>
        this.outcomes.push(`${name} ${"code" in error ? String(error.code) : error.message}`),
    };
  }
}

export async function opened(
  options: Partial<LogEngineOptions> = SMALL,
  chance = 1,
): Promise<Setting> {
  const setting = new Setting(chance);
  await setting.open(options);
  return setting;
}

/** The byte at which a text stands in a file. */
export function positionOf(setting: Setting, name: string, text: string): number {
  const file = setting.disk.open(name);
  const bytes = Buffer.alloc(file.sizeBytes());
  file.read(bytes, 0, bytes.length, 0);
  return bytes.indexOf(text);
}
