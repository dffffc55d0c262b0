/** CONFIG and TIME. */
import type { Call } from "../call.ts";
import { matchesGlob } from "../glob.ts";
import { withHelp } from "./help.ts";
import type { CommandSpec } from "./spec.ts";

/** What tools ask for before they talk to a Redis, answered as a Redis without such features. */
const SETTINGS: Readonly<Record<string, (call: Call) => string>> = {
  appendonly: () => "no",
  bind: (call) => call.server.address().host,
  "cluster-enabled": () => "no",
  databases: (call) => String(Math.max(1, call.server.admin.keyspaces().length)),
  maxclients: (call) => String(call.server.limits.maxClients),
  maxmemory: () => "0",
  "maxmemory-policy": () => "noeviction",
  "notify-keyspace-events": () => "",
  port: (call) => String(call.server.address().port),
  "proto-max-bulk-len": (call) => String(call.server.limits.maxBulkBytes),
  save: () => "",
  timeout: () => "0",
};

export const SERVER_COMMANDS: readonly CommandSpec[] = [
  {
    name: "config",
    arity: -2,
    group: "server",
    flags: ["admin", "loading", "stale"],
    access: "none",
    since: "2.0.0",
    syntax: "subcommand [argument ...]",
    summary: "Settings.",
    handler: () => {},
    subcommands: withHelp("config", [
      {
        name: "config|get",
        arity: -3,
        group: "server",
        flags: ["admin", "loading", "stale"],
        access: "none",
        since: "2.0.0",
        syntax: "pattern [pattern ...]",
        summary: "Returns settings whose names match glob patterns.",
        notes: `There are: ${Object.keys(SETTINGS).join(", ")}.`,
        handler: configGet,
      },
      {
        name: "config|set",
        arity: -4,
        group: "server",
        flags: ["admin", "loading", "stale"],
        access: "none",
        since: "2.0.0",
        syntax: "name value [name value ...]",
        summary: "Always an error: settings are made where the member is configured.",
        handler: (call) =>
          call.error("ERR CONFIG SET is not supported: set it in the configuration of the member"),
      },
    ]),
  },
  {
    name: "time",
    arity: 1,
    group: "server",
    flags: ["loading", "stale", "fast"],
    access: "none",
    since: "2.6.0",
    syntax: "",
    summary: "Returns the wall clock of this member: Unix seconds, then microseconds.",
    handler: (call) => {
      const nowMs = Math.floor(call.server.clock.wallMs());
      const writer = call.open();
      writer.array(2);
      writer.text(String(Math.floor(nowMs / 1000)));
      writer.text(String((nowMs % 1000) * 1000));
      call.close();
    },
  },
];

function configGet(call: Call): void {
  const patterns: Uint8Array[] = [];
  for (let index = 2; index < call.count; index++) {
    patterns.push(Buffer.from(call.command.text(index).toLowerCase()));
  }
  const found = Object.entries(SETTINGS)
    .filter(([name]) => patterns.some((pattern) => matchesGlob(pattern, Buffer.from(name))))
    .map(([name, value]) => [name, value(call)] as const);
  const writer = call.open();
  writer.map(found.length);
  for (const [name, value] of found) {
    writer.text(name);
    writer.text(value);
  }
  call.close();
}
