/** The commands of keys: deleting, looking, expiry. */
import { EXPIRY_UNITS, type ExpiryUnit, parseExpiry } from "../arguments.ts";
import type { Call } from "../call.ts";
import { NEVER_EXPIRES } from "../../model/version.ts";
import { countMany, deleteMany } from "./many-keys.ts";
import { ALL_KEYS, type CommandSpec, ONE_KEY } from "./spec.ts";

/** What the commands that report expiry answer instead of a number. */
const NO_KEY = -2;
const NO_EXPIRY = -1;

const ANYWHERE = "The keys may live anywhere on the ring.";
const EXPIRE_NOTES =
  "Reads the value, then writes it with its new expiry: not atomic against writers on other connections, and neither are its conditions.";

export const KEY_COMMANDS: readonly CommandSpec[] = [
  deleting("del", "1.0.0", "Deletes keys."),
  deleting("unlink", "4.0.0", "Deletes keys; the same as DEL."),
  {
    name: "exists",
    arity: -2,
    group: "generic",
    flags: ["readonly", "fast"],
    keys: ALL_KEYS,
    access: "read",
    since: "1.0.0",
    syntax: "key [key ...]",
    summary: "Counts the keys that exist; one that is named twice counts twice.",
    notes: ANYWHERE,
    handler: countMany,
  },
  {
    name: "type",
    arity: 2,
    group: "generic",
    flags: ["readonly", "fast"],
    keys: ONE_KEY,
    access: "read",
    since: "1.0.0",
    syntax: "key",
    summary: "Returns the type of the value of a key: string, or none.",
    handler: (call) =>
      call.lookUp(call.command.view(1), (reply, found) =>
        reply.simple(found === undefined ? "none" : "string"),
      ),
  },
  reporting("ttl", "1.0.0", "Returns the seconds until a key expires.", (atMs, nowMs) =>
    Math.round((atMs - nowMs) / 1000),
  ),
  reporting(
    "pttl",
    "2.6.0",
    "Returns the milliseconds until a key expires.",
    (atMs, nowMs) => atMs - nowMs,
  ),
  reporting("expiretime", "7.0.0", "Returns the Unix second at which a key expires.", (atMs) =>
    Math.round(atMs / 1000),
  ),
  reporting(
    "pexpiretime",
    "7.0.0",
    "Returns the Unix millisecond at which a key expires.",
    (atMs) => atMs,
  ),
  expiring("expire", "seconds", EXPIRY_UNITS.ex, "Sets the expiry of a key in seconds."),
  expiring("pexpire", "milliseconds", EXPIRY_UNITS.px, "Sets the expiry of a key in milliseconds."),
  expiring(
    "expireat",
    "unix-seconds",
    EXPIRY_UNITS.exat,
    "Sets the expiry of a key to a Unix second.",
  ),
  expiring(
    "pexpireat",
    "unix-milliseconds",
    EXPIRY_UNITS.pxat,
    "Sets the expiry of a key to a Unix millisecond.",
  ),
  {
    name: "persist",
    arity: 2,
    group: "generic",
    flags: ["write", "fast"],
    keys: ONE_KEY,
    access: "exclusive",
    since: "2.2.0",
    syntax: "key",
    summary: "Removes the expiry of a key.",
    notes: EXPIRE_NOTES.replace(", and neither are its conditions", ""),
    handler: persist,
  },
];

function deleting(name: string, since: string, summary: string): CommandSpec {
  return {
    name,
    arity: -2,
    group: "generic",
    flags: ["write"],
    keys: ALL_KEYS,
    access: "exclusive",
    since,
    syntax: "key [key ...]",
    summary,
    notes: `${ANYWHERE} The reply counts the keys that a read found; a tombstone is written for every one, found or not. Not atomic: when some fail, the error names them and the others are deleted.`,
    handler: deleteMany,
  };
}

function reporting(
  name: string,
  since: string,
  summary: string,
  report: (expiresAtMs: number, nowMs: number) => number,
): CommandSpec {
  return {
    name,
    arity: 2,
    group: "generic",
    flags: ["readonly", "fast"],
    keys: ONE_KEY,
    access: "read",
    since,
    syntax: "key",
    summary: `${summary} -1: never; -2: there is no such key.`,
    handler: (call) =>
      call.lookUp(call.command.view(1), (reply, found) => {
        if (found === undefined) reply.integer(NO_KEY);
        else if (found.expiresAtMs === NEVER_EXPIRES) reply.integer(NO_EXPIRY);
        else reply.integer(report(found.expiresAtMs, reply.server.kv.nowMs()));
      }),
  };
}

function expiring(name: string, unitName: string, unit: ExpiryUnit, summary: string): CommandSpec {
  return {
    name,
    arity: -3,
    group: "generic",
    flags: ["write", "fast"],
    keys: ONE_KEY,
    access: "exclusive",
    since: name.startsWith("p") ? "2.6.0" : unit.isAbsolute ? "1.2.0" : "1.0.0",
    syntax: `key ${unitName} [NX | XX | GT | LT]`,
    summary,
    notes: `${EXPIRE_NOTES} A time that has passed deletes the key.`,
    handler: (call) => expire(call, unit),
  };
}

interface ExpireConditions {
  readonly isNx: boolean;
  readonly isXx: boolean;
  readonly isGt: boolean;
  readonly isLt: boolean;
}

function expire(call: Call, unit: ExpiryUnit): void {
  const conditions = parseConditions(call);
  if (typeof conditions === "string") {
    call.error(conditions);
    return;
  }
  const expiresAtMs = parseExpiry(call, 2, unit);
  if (typeof expiresAtMs === "string") {
    call.error(expiresAtMs);
    return;
  }
  const key = call.command.copy(1);
  call.lookUp(key, (writing, found) => {
    if (found === undefined || !mayExpire(conditions, found.expiresAtMs, expiresAtMs)) {
      writing.integer(0);
      return;
    }
    const isPast = expiresAtMs <= writing.server.kv.nowMs();
    const value = isPast ? undefined : new Uint8Array(found.value);
    writing.store({ key, value, expiresAtMs: isPast ? undefined : expiresAtMs }, replyOne);
  });
}

/** The options of EXPIRE, or the error to answer. */
function parseConditions(call: Call): ExpireConditions | string {
  const { command } = call;
  const given = new Set<string>();
  for (let index = 3; index < command.count; index++) {
    const word = ["nx", "xx", "gt", "lt"].find((option) => command.is(index, option));
    if (word === undefined) return `ERR Unsupported option ${command.text(index).slice(0, 128)}`;
    given.add(word);
  }
  if (given.has("nx") && given.size > 1) {
    return "ERR NX and XX, GT or LT options at the same time are not compatible";
  }
  if (given.has("gt") && given.has("lt")) {
    return "ERR GT and LT options at the same time are not compatible";
  }
  return {
    isNx: given.has("nx"),
    isXx: given.has("xx"),
    isGt: given.has("gt"),
    isLt: given.has("lt"),
  };
}

/** A key without an expiry counts as one that expires at the end of time. */
function mayExpire(conditions: ExpireConditions, oldMs: number, newMs: number): boolean {
  const hasExpiry = oldMs !== NEVER_EXPIRES;
  if (conditions.isNx && hasExpiry) return false;
  if (conditions.isXx && !hasExpiry) return false;
  if (conditions.isGt && (!hasExpiry || newMs <= oldMs)) return false;
  return !(conditions.isLt && hasExpiry && newMs >= oldMs);
}

function persist(call: Call): void {
  const key = call.command.copy(1);
  call.lookUp(key, (writing, found) => {
    if (found === undefined || found.expiresAtMs === NEVER_EXPIRES) writing.integer(0);
    else writing.store({ key, value: new Uint8Array(found.value) }, replyOne);
  });
}

function replyOne(call: Call): void {
  call.integer(1);
}
