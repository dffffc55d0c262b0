/** Consistency levels per connection and per command: what Redis has no word for. */
import type { Consistency } from "../../model/consistency.ts";
import type { Call } from "../call.ts";
import { SYNTAX_ERROR, unknownLevel } from "../errors.ts";
import { parseLevel } from "../levels.ts";
import type { CommandSpec } from "./spec.ts";

const ANY_READS = "ERR level ANY cannot be used for reads; use CONSISTENCY WRITE ANY";

export const CONSISTENCY_COMMANDS: readonly CommandSpec[] = [
  {
    name: "consistency",
    arity: -1,
    group: "dynaring",
    flags: ["loading", "stale", "fast"],
    access: "none",
    since: "0.1.0",
    syntax: "[READ | WRITE] [level | DEFAULT]",
    summary: "Sets or shows the consistency levels of the connection.",
    notes:
      "Without READ or WRITE it sets both. DEFAULT goes back to the levels of the keyspace. Without a level it shows those in force.",
    handler: consistency,
  },
  {
    name: "dyno_config:conn_consistency",
    arity: 2,
    group: "dynaring",
    flags: ["loading", "stale", "fast"],
    access: "none",
    since: "0.1.0",
    syntax: "level",
    summary: "Sets both consistency levels of the connection, as Dynomite's clients do.",
    handler: (call) => setLevels(call, 1, ["read", "write"]),
  },
  {
    name: "with",
    arity: -3,
    group: "dynaring",
    flags: ["fast"],
    access: "none",
    since: "0.1.0",
    syntax: "level command [argument ...]",
    summary: "Runs one command at a consistency level.",
    notes: "The level holds for the reads and the writes of the command.",
    isPrefix: true,
    handler: (call) => call.error("ERR WITH cannot be nested"),
  },
];

type Direction = "read" | "write";

function consistency(call: Call): void {
  const { command } = call;
  const one = (["read", "write"] as const).filter(
    (word) => command.count > 1 && command.is(1, word),
  );
  const directions: readonly Direction[] = one.length === 1 ? one : ["read", "write"];
  const levelAt = one.length === 1 ? 2 : 1;
  if (command.count === levelAt + 1) setLevels(call, levelAt, directions);
  else if (command.count === levelAt) showLevels(call, directions);
  else call.error(SYNTAX_ERROR);
}

function setLevels(call: Call, levelAt: number, directions: readonly Direction[]): void {
  const { command, state } = call;
  const isDefault = command.is(levelAt, "default");
  const level = isDefault ? undefined : parseLevel(command.text(levelAt));
  if (level === undefined && !isDefault) {
    call.error(unknownLevel(command.text(levelAt)));
    return;
  }
  const isRead = directions.includes("read");
  if (isRead && level === "ANY") {
    call.error(ANY_READS);
    return;
  }
  if (isRead) state.readLevel = level;
  if (directions.includes("write")) state.writeLevel = level;
  call.ok();
}

function showLevels(call: Call, directions: readonly Direction[]): void {
  const levels = directions.map((direction) => [direction, levelInForce(call, direction)] as const);
  const writer = call.open();
  if (levels.length > 1) writer.map(levels.length);
  for (const [direction, level] of levels) {
    if (levels.length > 1) writer.text(direction);
    writer.text(String(level));
  }
  call.close();
}

function levelInForce(call: Call, direction: Direction): Consistency {
  const { state } = call;
  const own = direction === "read" ? state.readLevel : state.writeLevel;
  if (own !== undefined) return own;
  const keyspace = call.server.admin.keyspaces().find(({ name }) => name === state.keyspace);
  if (keyspace === undefined) return "LOCAL_QUORUM";
  return direction === "read" ? keyspace.readConsistency : keyspace.writeConsistency;
}
