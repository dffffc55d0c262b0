/** The commands of strings: the values of this store. */
import type { RespCommand } from "../../codec/resp-command.ts";
import { type ExpiryUnit, EXPIRY_UNITS, expiryUnit, parsePositiveExpiry } from "../arguments.ts";
import { isOver } from "../../model/version.ts";
import type { Call, Cell, ReadStep } from "../call.ts";
import { SYNTAX_ERROR, wrongArity } from "../errors.ts";
import type { Access } from "../key-order.ts";
import { getMany, setMany } from "./many-keys.ts";
import { ALL_KEYS, type CommandSpec, KEY_VALUE_PAIRS, ONE_KEY } from "./spec.ts";

const NOT_ATOMIC = "Reads, then writes: not atomic against writers on other connections.";

export const STRING_COMMANDS: readonly CommandSpec[] = [
  {
    name: "get",
    arity: 2,
    group: "string",
    flags: ["readonly", "fast"],
    keys: ONE_KEY,
    access: "read",
    since: "1.0.0",
    syntax: "key",
    summary: "Returns the value of a key.",
    handler: get,
  },
  {
    name: "set",
    arity: -3,
    group: "string",
    flags: ["write", "denyoom"],
    keys: ONE_KEY,
    access: "write",
    accessOf: accessOfSet,
    since: "1.0.0",
    syntax:
      "key value [GET] [EX seconds | PX milliseconds | EXAT unix-seconds | PXAT unix-milliseconds | KEEPTTL]",
    summary: "Sets the value of a key and its expiry.",
    notes: `NX and XX are answered with an error: they need conditional operations. With GET or KEEPTTL it reads, then writes: not atomic against writers on other connections.`,
    handler: set,
  },
  {
    name: "setex",
    arity: 4,
    group: "string",
    flags: ["write", "denyoom"],
    keys: ONE_KEY,
    access: "write",
    since: "2.0.0",
    syntax: "key seconds value",
    summary: "Sets the value of a key and its expiry in seconds.",
    handler: (call) => setWithTtl(call, EXPIRY_UNITS.ex),
  },
  {
    name: "psetex",
    arity: 4,
    group: "string",
    flags: ["write", "denyoom"],
    keys: ONE_KEY,
    access: "write",
    since: "2.6.0",
    syntax: "key milliseconds value",
    summary: "Sets the value of a key and its expiry in milliseconds.",
    handler: (call) => setWithTtl(call, EXPIRY_UNITS.px),
  },
  {
    name: "getset",
    arity: 3,
    group: "string",
    flags: ["write", "denyoom", "fast"],
    keys: ONE_KEY,
    access: "exclusive",
    since: "1.0.0",
    syntax: "key value",
    summary: "Returns the value of a key and sets a new one.",
    notes: NOT_ATOMIC,
    handler: (call) => setAndGet(call, undefined, false),
  },
  {
    name: "getex",
    arity: -2,
    group: "string",
    flags: ["write", "fast"],
    keys: ONE_KEY,
    access: "exclusive",
    accessOf: (command) => (command.count === 2 ? "read" : "exclusive"),
    since: "6.2.0",
    syntax:
      "key [EX seconds | PX milliseconds | EXAT unix-seconds | PXAT unix-milliseconds | PERSIST]",
    summary: "Returns the value of a key and sets or removes its expiry.",
    notes: NOT_ATOMIC,
    handler: getex,
  },
  {
    name: "getdel",
    arity: 2,
    group: "string",
    flags: ["write", "fast"],
    keys: ONE_KEY,
    access: "exclusive",
    since: "6.2.0",
    syntax: "key",
    summary: "Returns the value of a key and deletes the key.",
    notes: `${NOT_ATOMIC} Two clients may both get the value.`,
    handler: getdel,
  },
  {
    name: "mget",
    arity: -2,
    group: "string",
    flags: ["readonly", "fast"],
    keys: ALL_KEYS,
    access: "read",
    since: "1.0.0",
    syntax: "key [key ...]",
    summary: "Returns the values of several keys.",
    notes:
      "The keys may live anywhere on the ring. They are read one by one, not as of one moment; when one cannot be read, the command is answered with that error.",
    handler: getMany,
  },
  {
    name: "mset",
    arity: -3,
    group: "string",
    flags: ["write", "denyoom"],
    keys: KEY_VALUE_PAIRS,
    access: "write",
    since: "1.0.1",
    syntax: "key value [key value ...]",
    summary: "Sets the values of several keys.",
    notes:
      "The keys may live anywhere on the ring. Not atomic: when some writes fail, the others stand, and the error names the keys that failed.",
    handler: (call) => {
      if (call.count % 2 === 0) call.error(wrongArity(call.name));
      else setMany(call);
    },
  },
  {
    name: "strlen",
    arity: 2,
    group: "string",
    flags: ["readonly", "fast"],
    keys: ONE_KEY,
    access: "read",
    since: "2.2.0",
    syntax: "key",
    summary: "Returns the length of the value of a key in bytes.",
    handler: (call) =>
      call.lookUp(call.command.view(1), (reply, found) =>
        reply.integer(found === undefined ? 0 : found.value.length),
      ),
  },
];

function get(call: Call): void {
  call.lookUp(call.command.view(1), replyValue);
}

const replyValue: ReadStep = (call, found) => {
  if (found === undefined) {
    call.server.stats.keyspaceMisses++;
    call.nil();
  } else {
    call.server.stats.keyspaceHits++;
    call.bulk(found.value);
  }
};

function replyOk(call: Call): void {
  call.ok();
}

function set(call: Call): void {
  const { command } = call;
  if (command.count === 3) {
    call.store({ key: command.view(1), value: command.view(2) }, replyOk);
    return;
  }
  const options = parseSetOptions(call);
  if (typeof options === "string") call.error(options);
  else if (options.isGet) setAndGet(call, options.expiresAtMs, options.isKeepTtl);
  else if (options.isKeepTtl) setAndKeepTtl(call);
  else setWithExpiry(call, command.view(2), options.expiresAtMs);
}

interface SetOptions {
  readonly isGet: boolean;
  readonly isKeepTtl: boolean;
  readonly expiresAtMs: number | undefined;
}

/** The options of SET, or the error to answer. */
function parseSetOptions(call: Call): SetOptions | string {
  const { command } = call;
  let isGet = false;
  let isKeepTtl = false;
  let conditions = 0;
  let expiry: { readonly index: number; readonly unit: ExpiryUnit } | undefined;
  for (let index = 3; index < command.count; index++) {
    const unit = expiryUnit(command, index);
    if (command.is(index, "get")) isGet = true;
    else if (command.is(index, "nx") || command.is(index, "xx")) conditions++;
    else if (command.is(index, "keepttl") && expiry === undefined) isKeepTtl = true;
    else if (unit !== undefined && expiry === undefined && !isKeepTtl) {
      expiry = { index: ++index, unit };
      if (index === command.count) return SYNTAX_ERROR;
    } else return SYNTAX_ERROR;
  }
  if (conditions > 1) return SYNTAX_ERROR;
  const expiresAtMs = expiry && parsePositiveExpiry(call, expiry.index, expiry.unit);
  if (typeof expiresAtMs === "string") return expiresAtMs;
  if (conditions > 0)
    return "ERR SET with NX or XX is not supported yet: it needs conditional operations";
  return { isGet, isKeepTtl, expiresAtMs };
}

/** SET looks at the key first with two of its options; wherever they stand, waiting is harmless. */
function accessOfSet(command: RespCommand): Access {
  for (let index = 3; index < command.count; index++) {
    if (command.is(index, "get") || command.is(index, "keepttl")) return "exclusive";
  }
  return "write";
}

function setWithExpiry(call: Call, value: Uint8Array, expiresAtMs: number | undefined): void {
  call.store(cellOf(call, call.command.view(1), value, expiresAtMs), replyOk);
}

/** What to write: a moment that has passed deletes the key, as it does in Redis. */
function cellOf(
  call: Call,
  key: Uint8Array,
  value: Uint8Array,
  expiresAtMs: number | undefined,
): Cell {
  const isPast = expiresAtMs !== undefined && isOver(expiresAtMs, call.server.kv.nowMs());
  return isPast ? { key, value: undefined } : { key, value, expiresAtMs };
}

function setWithTtl(call: Call, unit: ExpiryUnit): void {
  const expiresAtMs = parsePositiveExpiry(call, 2, unit);
  if (typeof expiresAtMs === "string") call.error(expiresAtMs);
  else setWithExpiry(call, call.command.view(3), expiresAtMs);
}

function setAndKeepTtl(call: Call): void {
  const key = call.command.copy(1);
  const value = call.command.copy(2);
  call.lookUp(key, (writing, found) =>
    writing.store({ key, value, expiresAtMs: found?.expiresAtMs }, replyOk),
  );
}

function setAndGet(call: Call, expiresAtMs: number | undefined, isKeepTtl: boolean): void {
  const key = call.command.copy(1);
  const value = call.command.copy(2);
  call.lookUp(key, (writing, found) => {
    const old = found && new Uint8Array(found.value);
    const cell = cellOf(writing, key, value, isKeepTtl ? found?.expiresAtMs : expiresAtMs);
    writing.store(cell, (reply) => replyOld(reply, old));
  });
}

function replyOld(call: Call, old: Uint8Array | undefined): void {
  if (old === undefined) call.nil();
  else call.bulk(old);
}

function getex(call: Call): void {
  const { command } = call;
  if (command.count === 2) {
    get(call);
    return;
  }
  const unit = expiryUnit(command, 2);
  if (command.is(2, "persist") && command.count === 3) expireAndGet(call, undefined);
  else if (unit === undefined || command.count !== 4) call.error(SYNTAX_ERROR);
  else {
    const expiresAtMs = parsePositiveExpiry(call, 3, unit);
    if (typeof expiresAtMs === "string") call.error(expiresAtMs);
    else expireAndGet(call, expiresAtMs);
  }
}

function expireAndGet(call: Call, expiresAtMs: number | undefined): void {
  const key = call.command.copy(1);
  call.lookUp(key, (writing, found) => {
    if (found === undefined) {
      replyValue(writing, found);
      return;
    }
    writing.server.stats.keyspaceHits++;
    const value = new Uint8Array(found.value);
    writing.store(cellOf(writing, key, value, expiresAtMs), (reply) => reply.bulk(value));
  });
}

function getdel(call: Call): void {
  const key = call.command.copy(1);
  call.lookUp(key, (writing, found) => {
    if (found === undefined) {
      replyValue(writing, found);
      return;
    }
    writing.server.stats.keyspaceHits++;
    const old = new Uint8Array(found.value);
    writing.store({ key, value: undefined }, (reply) => reply.bulk(old));
  });
}
