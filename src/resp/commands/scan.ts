/** Walking and counting a keyspace. */
import { parseInteger } from "../arguments.ts";
import type { Call } from "../call.ts";
import { NOT_AN_INTEGER, SYNTAX_ERROR } from "../errors.ts";
import { matchesGlob, plainBeginning } from "../glob.ts";
import type { CommandSpec } from "./spec.ts";

const DEFAULT_COUNT = 10;
/** A page is held in memory at once; a larger COUNT gives pages of this size. */
const MAX_COUNT = 100_000;
const MAX_CURSOR = 18_446_744_073_709_551_615n;

export const SCAN_COMMANDS: readonly CommandSpec[] = [
  {
    name: "scan",
    arity: -2,
    group: "generic",
    flags: ["readonly"],
    access: "barrier",
    since: "2.8.0",
    syntax: "cursor [MATCH pattern] [COUNT count] [TYPE type]",
    summary: "Walks the keys of a keyspace, page by page.",
    notes: `Walks the whole ring, in its order, from any member. A key that is there from the first to the last page is returned at least once. COUNT is at most ${MAX_COUNT}. On a ring whose partitioner keeps keys in order they come in that order, and MATCH with a pattern that begins plainly reads only the keys that begin so; keys that agree in their first seven bytes come in one page there.`,
    handler: scan,
  },
  {
    name: "dbsize",
    arity: 1,
    group: "server",
    flags: ["readonly"],
    access: "barrier",
    since: "1.0.0",
    syntax: "",
    summary: "Counts the live keys of the keyspace, over the whole ring.",
    notes: "Walks the ring to count: the cost grows with the number of keys.",
    handler: (call) => {
      const { kv } = call.server;
      call.await(kv.count(call.keyspace, call.readLevel), (keys) => call.integer(keys));
    },
  },
];

interface ScanOptions {
  readonly cursor: string;
  readonly limit: number;
  readonly pattern: Uint8Array | undefined;
  readonly isOtherType: boolean;
}

function scan(call: Call): void {
  const options = parseOptions(call);
  if (typeof options === "string") {
    call.error(options);
    return;
  }
  const { cursor, limit, pattern, isOtherType } = options;
  if (isOtherType) {
    replyPage(call, "0", []);
    return;
  }
  const prefix = pattern && plainBeginning(pattern);
  const request = { keyspace: call.keyspace, cursor, limit, prefix, consistency: call.readLevel };
  call.await(call.server.kv.scan(request), (page) => {
    const { keys } = page;
    replyPage(
      call,
      page.cursor,
      pattern === undefined ? keys : keys.filter((key) => matchesGlob(pattern, key)),
    );
  });
}

function replyPage(call: Call, cursor: string, keys: readonly Uint8Array[]): void {
  const writer = call.open();
  writer.array(2);
  writer.text(cursor);
  writer.array(keys.length);
  for (const key of keys) writer.bulk(key);
  call.close();
}

/** The arguments of SCAN, or the error to answer. */
function parseOptions(call: Call): ScanOptions | string {
  const { command } = call;
  const cursor = command.text(1);
  if (!isCursor(cursor)) return "ERR invalid cursor";
  let limit = DEFAULT_COUNT;
  let pattern: Uint8Array | undefined;
  let isOtherType = false;
  for (let index = 2; index < command.count; index += 2) {
    if (index + 1 === command.count) return SYNTAX_ERROR;
    if (command.is(index, "match")) pattern = command.copy(index + 1);
    else if (command.is(index, "type")) isOtherType = !command.is(index + 1, "string");
    else if (command.is(index, "count")) {
      const count = parseInteger(command.text(index + 1));
      if (count === undefined) return NOT_AN_INTEGER;
      if (count < 1) return SYNTAX_ERROR;
      limit = Math.min(count, MAX_COUNT);
    } else return SYNTAX_ERROR;
  }
  return { cursor, limit, pattern, isOtherType };
}

function isCursor(text: string): boolean {
  return /^\d{1,20}$/.test(text) && BigInt(text) <= MAX_CURSOR;
}
