/** CLIENT: names, identities, and the other connections of this member. */
import { parseInteger } from "../arguments.ts";
import type { Call } from "../call.ts";
import { INVALID_CLIENT_NAME, isClientName } from "../client-state.ts";
import type { Client } from "../context.ts";
import { SYNTAX_ERROR } from "../errors.ts";
import { withHelp } from "./help.ts";
import type { CommandSpec } from "./spec.ts";

const NO_SUCH_CLIENT = "ERR No such client";
const INVALID_ID = "ERR client-id should be greater than 0";

function subcommand(
  name: string,
  arity: number,
  since: string,
  rest: Pick<CommandSpec, "syntax" | "summary" | "handler" | "notes">,
): CommandSpec {
  return {
    name: `client|${name}`,
    arity,
    group: "connection",
    flags: ["loading", "stale"],
    access: "none",
    since,
    ...rest,
  };
}

export const CLIENT_COMMANDS: readonly CommandSpec[] = [
  {
    name: "client",
    arity: -2,
    group: "connection",
    flags: ["loading", "stale"],
    access: "none",
    since: "2.4.0",
    syntax: "subcommand [argument ...]",
    summary: "Commands about connections.",
    handler: () => {},
    subcommands: withHelp("client", [
      subcommand("getname", 2, "2.6.9", {
        syntax: "",
        summary: "Returns the name of the connection.",
        handler: (call) => (call.state.name === "" ? call.nil() : call.text(call.state.name)),
      }),
      subcommand("id", 2, "5.0.0", {
        syntax: "",
        summary: "Returns the number of the connection; unique on this member since it started.",
        handler: (call) => call.integer(call.state.id),
      }),
      subcommand("info", 2, "6.2.0", {
        syntax: "",
        summary: "Returns the line of this connection in CLIENT LIST.",
        handler: (call) => call.verbatim(`${describe(call, call.client)}\n`),
      }),
      subcommand("kill", -3, "2.4.0", {
        syntax:
          "addr:port | [ID id] [ADDR addr:port] [LADDR addr:port] [TYPE NORMAL] [USER default] [MAXAGE seconds] [SKIPME yes | no]",
        summary: "Closes connections.",
        handler: kill,
      }),
      subcommand("list", -2, "2.4.0", {
        syntax: "[TYPE NORMAL] [ID id [id ...]]",
        summary: "Lists the connections of this member.",
        handler: list,
      }),
      subcommand("setinfo", 4, "7.2.0", {
        syntax: "LIB-NAME name | LIB-VER version",
        summary: "Tells the library and version of the client, for CLIENT LIST.",
        handler: setInfo,
      }),
      subcommand("setname", 3, "2.6.9", {
        syntax: "name",
        summary: "Names the connection; an empty name removes it.",
        handler: setName,
      }),
    ]),
  },
];

function setName(call: Call): void {
  const name = call.command.text(2);
  if (!isClientName(name)) {
    call.error(INVALID_CLIENT_NAME);
    return;
  }
  call.state.name = name;
  call.ok();
}

function setInfo(call: Call): void {
  const { command, state } = call;
  const value = command.text(3);
  const isName = command.is(2, "lib-name");
  if (!isName && !command.is(2, "lib-ver")) {
    call.error(`ERR Unrecognized option '${command.text(2).slice(0, 128)}'`);
  } else if (!isClientName(value)) {
    const option = isName ? "lib-name" : "lib-ver";
    call.error(`ERR ${option} cannot contain spaces, newlines or special characters.`);
  } else {
    if (isName) state.libraryName = value;
    else state.libraryVersion = value;
    call.ok();
  }
}

function list(call: Call): void {
  const { command } = call;
  let clients = [...call.server.clients()];
  if (command.count > 2) {
    if (command.is(2, "type") && command.count === 4) {
      if (!command.is(3, "normal")) {
        call.error(`ERR Unknown client type '${command.text(3).slice(0, 128)}'`);
        return;
      }
    } else if (command.is(2, "id") && command.count > 3) {
      const ids = parseIds(call, 3);
      if (ids === undefined) {
        call.error("ERR Invalid client ID");
        return;
      }
      clients = clients.filter(({ state }) => ids.has(state.id));
    } else {
      call.error(SYNTAX_ERROR);
      return;
    }
  }
  call.verbatim(clients.map((client) => `${describe(call, client)}\n`).join(""));
}

function parseIds(call: Call, from: number): ReadonlySet<number> | undefined {
  const ids = new Set<number>();
  for (let index = from; index < call.count; index++) {
    const id = parseInteger(call.command.text(index));
    if (id === undefined || id < 1) return undefined;
    ids.add(id);
  }
  return ids;
}

/** A line of CLIENT LIST: those of Redis's fields that mean something here, and the keyspace. */
function describe(call: Call, client: Client): string {
  const { state } = client;
  const { server } = call;
  const nowMs = server.clock.monotonicMs();
  const database = server.admin.keyspaces().find(({ name }) => name === state.keyspace)?.index ?? 0;
  const fields = {
    id: state.id,
    addr: state.addresses.remote,
    laddr: state.addresses.local,
    name: state.name,
    age: Math.floor((nowMs - state.connectedAtMs) / 1000),
    idle: Math.floor((nowMs - state.lastActiveAtMs) / 1000),
    flags: "N",
    db: database,
    keyspace: state.keyspace,
    qbuf: client.pendingBytes,
    obl: client.outputBytes,
    inflight: client.inFlight,
    cmd: state.lastCommand,
    user: "default",
    resp: state.protocol,
    "lib-name": state.libraryName,
    "lib-ver": state.libraryVersion,
  };
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}

function kill(call: Call): void {
  if (call.count === 3) {
    const address = call.command.text(2);
    const victim = [...call.server.clients()].find(
      ({ state }) => state.addresses.remote === address,
    );
    if (victim === undefined) {
      call.error(NO_SUCH_CLIENT);
      return;
    }
    killAll(call, [victim]);
    call.ok();
    return;
  }
  const filter = parseKillFilter(call);
  if (typeof filter === "string") {
    call.error(filter);
    return;
  }
  const victims = [...call.server.clients()].filter(filter);
  killAll(call, victims);
  call.integer(victims.length);
}

/** The connection that asks is closed after its answer, others at once. */
function killAll(call: Call, victims: readonly Client[]): void {
  for (const victim of victims) {
    if (victim === call.client) call.endConnection();
    else victim.kill(`CLIENT KILL by client ${call.state.id}`);
  }
}

type ClientFilter = (client: Client) => boolean;

/** The filters of CLIENT KILL, or the error to answer. */
function parseKillFilter(call: Call): ClientFilter | string {
  const { command } = call;
  if (command.count % 2 !== 0) return SYNTAX_ERROR;
  const filters: ClientFilter[] = [];
  let isSkipMe = true;
  for (let index = 2; index < command.count; index += 2) {
    if (command.is(index, "skipme")) {
      if (!command.is(index + 1, "yes") && !command.is(index + 1, "no")) return SYNTAX_ERROR;
      isSkipMe = command.is(index + 1, "yes");
      continue;
    }
    const filter = parseOneFilter(call, index);
    if (typeof filter === "string") return filter;
    filters.push(filter);
  }
  if (isSkipMe) filters.push((client) => client !== call.client);
  return (client) => filters.every((filter) => filter(client));
}

function parseOneFilter(call: Call, index: number): ClientFilter | string {
  const { command } = call;
  const value = command.text(index + 1);
  if (command.is(index, "id")) {
    const id = parseInteger(value);
    return id === undefined || id < 1 ? INVALID_ID : ({ state }) => state.id === id;
  }
  if (command.is(index, "addr")) return ({ state }) => state.addresses.remote === value;
  if (command.is(index, "laddr")) return ({ state }) => state.addresses.local === value;
  if (command.is(index, "type")) {
    const isNormal = command.is(index + 1, "normal");
    return isNormal ? () => true : `ERR Unknown client type '${value.slice(0, 128)}'`;
  }
  if (command.is(index, "user")) {
    return value === "default" ? () => true : `ERR No such user '${value.slice(0, 128)}'`;
  }
  if (command.is(index, "maxage")) {
    const ageSeconds = parseInteger(value);
    if (ageSeconds === undefined || ageSeconds < 1)
      return "ERR maxage is not an integer or out of range";
    const bornBeforeMs = call.server.clock.monotonicMs() - ageSeconds * 1000;
    return ({ state }) => state.connectedAtMs <= bornBeforeMs;
  }
  return SYNTAX_ERROR;
}
