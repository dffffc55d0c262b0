/** Logs of a member: JSON lines for machines, short plain lines on a terminal. */
import { type DestinationStream, type Logger as Pino, pino } from "pino";
import type { LogFields, Logger } from "../model/deps.ts";
import type { LogLevel } from "../node/options-table.ts";

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Plain lines instead of JSON. */
  readonly isPlain: boolean;
}

export function createLogger(
  destination: { write(text: string): void },
  { level, isPlain }: LoggerOptions,
): Logger {
  const stream: DestinationStream = isPlain
    ? { write: (line) => destination.write(plainLine(line)) }
    : destination;
  const logger = pino(
    {
      level,
      base: null,
      messageKey: "event",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  return {
    debug: (event, fields) => write(logger, "debug", event, fields),
    info: (event, fields) => write(logger, "info", event, fields),
    warn: (event, fields) => write(logger, "warn", event, fields),
    error: (event, fields) => write(logger, "error", event, fields),
  };
}

function write(logger: Pino, level: LogLevel, event: string, fields: LogFields = {}): void {
  logger[level](fields, event);
}

/** `07:01:02.345 info  member.ready address=127.0.0.1:7401` */
export function plainLine(json: string): string {
  const { level, time, event, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const clock = String(time).slice(11, 23);
  const pairs = Object.entries(fields).map(([name, value]) => ` ${name}=${fieldText(value)}`);
  return `${clock} ${String(level).padEnd(5)} ${String(event)}${pairs.join("")}\n`;
}

function fieldText(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value);
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}
