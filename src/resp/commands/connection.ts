/** The commands about the connection itself. */
import { parseInteger } from "../arguments.ts";
import type { Call } from "../call.ts";
import { INVALID_CLIENT_NAME, isClientName } from "../client-state.ts";
import { noKeyspace, NOT_AN_INTEGER, wrongArity } from "../errors.ts";
import { COMPATIBLE_REDIS_VERSION } from "./info.ts";
import type { CommandSpec } from "./spec.ts";

/** Nobody has a password, so the default user may give any. */
const DEFAULT_USER = "default";
const WRONG_PASSWORD = "WRONGPASS invalid username-password pair or user is disabled.";
const NO_PASSWORD_SET =
  "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?";

export const CONNECTION_COMMANDS: readonly CommandSpec[] = [
  {
    name: "ping",
    arity: -1,
    group: "connection",
    flags: ["fast"],
    access: "none",
    since: "1.0.0",
    syntax: "[message]",
    summary: "Answers PONG, or the message.",
    handler: (call) => {
      if (call.count > 2) call.error(wrongArity(call.name));
      else if (call.count === 2) call.bulk(call.command.view(1));
      else call.simple("PONG");
    },
  },
  {
    name: "echo",
    arity: 2,
    group: "connection",
    flags: ["fast"],
    access: "none",
    since: "1.0.0",
    syntax: "message",
    summary: "Answers the message.",
    handler: (call) => call.bulk(call.command.view(1)),
  },
  {
    name: "hello",
    arity: -1,
    group: "connection",
    flags: ["loading", "stale", "fast"],
    access: "none",
    since: "6.0.0",
    syntax: "[protover [AUTH username password] [SETNAME clientname]]",
    summary: "Chooses RESP2 or RESP3 and describes the server.",
    notes: "No user has a password: AUTH takes the user default with any password.",
    handler: hello,
  },
  {
    name: "auth",
    arity: -2,
    group: "connection",
    flags: ["loading", "stale", "fast"],
    access: "none",
    since: "1.0.0",
    syntax: "[username] password",
    summary: "Authenticates the connection.",
    notes: "No user has a password: the user default is let in with any, others are not.",
    handler: auth,
  },
  {
    name: "select",
    arity: 2,
    group: "connection",
    flags: ["loading", "stale", "fast"],
    access: "none",
    since: "1.0.0",
    syntax: "index | keyspace",
    summary: "Chooses the keyspace of the connection.",
    notes:
      "Keyspaces are numbered in the order of their creation and may be named too. A new connection is in the keyspace default.",
    handler: select,
  },
  {
    name: "reset",
    arity: 1,
    group: "connection",
    flags: ["loading", "stale", "fast"],
    access: "none",
    since: "6.2.0",
    syntax: "",
    summary: "Makes the connection as if it were new.",
    handler: (call) => {
      call.state.reset();
      call.simple("RESET");
    },
  },
  {
    name: "quit",
    arity: -1,
    group: "connection",
    flags: ["loading", "stale", "fast"],
    access: "none",
    since: "1.0.0",
    syntax: "",
    summary: "Closes the connection when all earlier commands are answered.",
    handler: (call) => {
      call.endConnection();
      call.ok();
    },
  },
];

function hello(call: Call): void {
  const { command, state } = call;
  if (command.count > 1) {
    const version = parseInteger(command.text(1));
    if (version === undefined) {
      call.error("ERR Protocol version is not an integer or out of range");
      return;
    }
    if (version !== 2 && version !== 3) {
      call.error("NOPROTO unsupported protocol version");
      return;
    }
    const options = parseHelloOptions(call);
    if (typeof options === "string") {
      call.error(options);
      return;
    }
    if (options.name !== undefined) state.name = options.name;
    state.protocol = version;
  }
  call.protocol = state.protocol;
  replyHello(call);
}

/** The options of HELLO, or the error to answer. */
function parseHelloOptions(call: Call): { readonly name: string | undefined } | string {
  const { command } = call;
  let name: string | undefined;
  let index = 2;
  while (index < command.count) {
    const left = command.count - index - 1;
    if (command.is(index, "auth") && left >= 2) {
      if (!command.is(index + 1, DEFAULT_USER)) return WRONG_PASSWORD;
      index += 3;
    } else if (command.is(index, "setname") && left >= 1) {
      name = command.text(index + 1);
      if (!isClientName(name)) return INVALID_CLIENT_NAME;
      index += 2;
    } else {
      return `ERR Syntax error in HELLO option '${command.text(index).slice(0, 128)}'`;
    }
  }
  return { name };
}

function replyHello(call: Call): void {
  const { state } = call;
  const writer = call.open();
  writer.map(7);
  writer.text("server");
  writer.text("redis");
  writer.text("version");
  writer.text(COMPATIBLE_REDIS_VERSION);
  writer.text("proto");
  writer.integer(state.protocol);
  writer.text("id");
  writer.integer(state.id);
  writer.text("mode");
  writer.text("standalone");
  writer.text("role");
  writer.text("master");
  writer.text("modules");
  writer.array(0);
  call.close();
}

function auth(call: Call): void {
  if (call.count > 3) call.error("ERR syntax error");
  else if (call.count === 2) call.error(NO_PASSWORD_SET);
  else if (call.command.is(1, DEFAULT_USER)) call.ok();
  else call.error(WRONG_PASSWORD);
}

function select(call: Call): void {
  const text = call.command.text(1);
  const keyspaces = call.server.admin.keyspaces();
  const isNumber = /^-?\d+$/.test(text);
  const found = isNumber
    ? keyspaces.find(({ index }) => index === parseInteger(text))
    : keyspaces.find(({ name }) => name === text);
  if (found !== undefined) {
    call.state.keyspace = found.name;
    call.ok();
  } else if (!isNumber) {
    call.error(noKeyspace(text, keyspaces));
  } else {
    call.error(parseInteger(text) === undefined ? NOT_AN_INTEGER : "ERR DB index is out of range");
  }
}
