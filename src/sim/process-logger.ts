/** Logs of simulated processes: warnings and errors belong to the history, all of it can be shown. */
import type { LogFields, Logger } from "../model/deps.ts";
import type { EventLog } from "./event-log.ts";
import type { VirtualTime } from "./virtual-clock.ts";

export interface ProcessLoggerDeps {
  readonly time: VirtualTime;
  readonly log: EventLog;
}

export function processLogger(deps: ProcessLoggerDeps, member: number): Logger {
  const record =
    (level: string) =>
    (event: string, fields: LogFields = {}): void => {
      const shown = Object.entries(fields).map(([name, value]) => `${name}=${String(value)}`);
      deps.log.record(deps.time.nowMs, `${level} ${event}`, [member, ...shown]);
    };
  return { debug: () => {}, info: record("info"), warn: record("warn"), error: record("error") };
}
