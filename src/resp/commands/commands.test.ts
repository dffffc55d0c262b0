import { describe, expect, test } from "vitest";
import { type Reply, SessionHarness } from "../session-harness.suite.ts";
import type { CommandSpec } from "./spec.ts";
import { createCommandTable } from "./table.ts";

const tried = new Set<string>();

/** Runs commands in turn on one connection; the replies. */
async function run(harness: SessionHarness, ...commands: readonly string[]): Promise<Reply[]> {
  const replies: Reply[] = [];
  for (const command of commands) {
    replies.push(await harness.runLate(command));
    tried.add(harness.session.state.lastCommand);
    if (/^(with|WITH) /.test(command)) tried.add("with");
  }
  return replies;
}

/** The reply to the last of several commands on a fresh connection. */
async function lastOf(...commands: readonly string[]): Promise<Reply | undefined> {
  return (await run(new SessionHarness(), ...commands)).at(-1);
}

/** The text of a reply that is one. */
async function textOf(...commands: readonly string[]): Promise<string> {
  const reply = await lastOf(...commands);
  expect(typeof reply).toBe("string");
  return reply as string;
}

const SYNTAX = "-ERR syntax error";
const NOT_INTEGER = "-ERR value is not an integer or out of range";
const NOW_MS = 1_000_000;

describe("strings", () => {
  test.each<[string, string[], Reply]>([
    ["GET of nothing", ["GET a"], null],
    ["GET", ["SET a 1", "get a"], "1"],
    ["SET", ["SET a 1"], "+OK"],
    ["SET EX", ["SET a 1 EX 10", "PTTL a"], 10_000],
    ["SET px", ["SET a 1 px 10", "PTTL a"], 10],
    ["SET EXAT", ["SET a 1 EXAT 1010", "PTTL a"], 10_000],
    ["SET PXAT", ["SET a 1 PXAT 1000005", "PTTL a"], 5],
    ["SET EXAT in the past deletes", ["SET a 1", "SET a 2 EXAT 1", "GET a"], null],
    ["SET drops the expiry", ["SET a 1 EX 10", "SET a 2", "TTL a"], -1],
    ["SET KEEPTTL", ["SET a 1 EX 10", "SET a 2 KEEPTTL", "TTL a"], 10],
    ["SET KEEPTTL of nothing", ["SET a 2 KEEPTTL", "TTL a"], -1],
    ["SET GET answers the old value", ["SET a 1", "SET a 2 GET"], "1"],
    ["SET GET of nothing", ["SET a 2 GET"], null],
    ["SET GET sets", ["SET a 1", "SET a 2 EX 5 GET", "GETSET a 3"], "2"],
    ["SET GET KEEPTTL", ["SET a 1 EX 9", "SET a 2 GET KEEPTTL", "TTL a"], 9],
    ["SET EX 0", ["SET a 1 EX 0"], "-ERR invalid expire time in 'set' command"],
    ["SET EX x", ["SET a 1 EX x"], NOT_INTEGER],
    ["SET EX without a number", ["SET a 1 EX"], SYNTAX],
    ["SET EX PX", ["SET a 1 EX 1 PX 1"], SYNTAX],
    ["SET KEEPTTL EX", ["SET a 1 KEEPTTL EX 1"], SYNTAX],
    [
      "SET EX far away",
      ["SET a 1 EX 9223372036854775807"],
      "-ERR invalid expire time in 'set' command",
    ],
    ["SET beyond 64 bits", ["SET a 1 PX 9223372036854775808"], NOT_INTEGER],
    ["SET with a strange word", ["SET a 1 foo"], SYNTAX],
    ["SETEX", ["SETEX a 10 v", "TTL a"], 10],
    ["SETEX -1", ["SETEX a -1 v"], "-ERR invalid expire time in 'setex' command"],
    ["PSETEX", ["PSETEX a 10 v", "PTTL a"], 10],
    ["GETSET", ["SET a 1", "GETSET a 2", "GET a"], "2"],
    ["GETEX", ["SET a 1", "GETEX a"], "1"],
    ["GETEX EX", ["SET a 1", "GETEX a EX 7", "TTL a"], 7],
    ["GETEX PERSIST", ["SET a 1 EX 7", "GETEX a PERSIST", "TTL a"], -1],
    ["GETEX of nothing", ["GETEX a EX 7"], null],
    ["GETEX PXAT in the past deletes", ["SET a 1", "GETEX a PXAT 5", "GET a"], null],
    ["GETEX PERSIST EX", ["GETEX a PERSIST EX 1"], SYNTAX],
    ["GETDEL", ["SET a 1", "GETDEL a"], "1"],
    ["GETDEL deletes", ["SET a 1", "GETDEL a", "GETDEL a"], null],
    ["MGET", ["MSET a 1 c 3", "MGET a b c a"], ["1", null, "3", "1"]],
    ["MSET", ["MSET a 1 b 2 a 3", "GET a"], "3"],
    ["MSET of an odd count", ["MSET a 1 b"], "-ERR wrong number of arguments for 'mset' command"],
    ["STRLEN", ["SET a abc", "STRLEN a"], 3],
    ["STRLEN of nothing", ["STRLEN a"], 0],
  ])("%s", async (_, commands, reply) => {
    expect(await lastOf(...commands)).toEqual(reply);
  });

  test.each(["SET a 1 NX", "SET a 1 XX", "SET a 1 EX 5 nx GET"])(
    "%s is refused",
    async (command) => {
      expect(await lastOf("SET a 0", command)).toMatch(
        /^-ERR SET with NX or XX is not supported yet/,
      );
      expect(await lastOf("SET a 0", command, "GET a")).toBe("0");
    },
  );
});

describe("keys", () => {
  test.each<[string, string[], Reply]>([
    ["DEL counts the keys that were there", ["MSET a 1 b 2", "DEL a b c"], 2],
    ["DEL of one", ["SET a 1", "DEL a", "EXISTS a"], 0],
    ["UNLINK", ["SET a 1", "UNLINK a"], 1],
    ["EXISTS counts twice", ["SET a 1", "EXISTS a a b"], 2],
    ["TYPE", ["SET a 1", "TYPE a"], "+string"],
    ["TYPE of nothing", ["TYPE a"], "+none"],
    ["TTL rounds to the nearest second", ["SET a 1 PX 1500", "TTL a"], 2],
    ["TTL of nothing", ["TTL a"], -2],
    ["EXPIRE", ["SET a 1", "EXPIRE a 10", "PTTL a"], 10_000],
    ["EXPIRE of nothing", ["EXPIRE a 10"], 0],
    ["EXPIRE keeps the value", ["SET a 1", "EXPIRE a 10", "GET a"], "1"],
    ["EXPIRE in the past deletes", ["SET a 1", "EXPIRE a -1", "GET a"], null],
    ["EXPIREAT 0 deletes", ["SET a 1", "EXPIREAT a 0", "EXISTS a"], 0],
    ["PEXPIRE", ["SET a 1", "PEXPIRE a 10", "PTTL a"], 10],
    ["EXPIREAT", ["SET a 1", "EXPIREAT a 1010", "EXPIRETIME a"], 1010],
    ["PEXPIREAT", ["SET a 1", "PEXPIREAT a 1000010", "PEXPIRETIME a"], 1_000_010],
    ["EXPIRE NX", ["SET a 1 EX 5", "EXPIRE a 10 NX"], 0],
    ["EXPIRE XX", ["SET a 1", "EXPIRE a 10 XX"], 0],
    ["EXPIRE GT", ["SET a 1 EX 5", "EXPIRE a 10 GT", "EXPIRE a 7 GT"], 0],
    ["EXPIRE GT without expiry", ["SET a 1", "EXPIRE a 10 GT"], 0],
    ["EXPIRE LT without expiry", ["SET a 1", "EXPIRE a 10 LT"], 1],
    [
      "EXPIRE NX XX",
      ["EXPIRE a 1 NX XX"],
      "-ERR NX and XX, GT or LT options at the same time are not compatible",
    ],
    [
      "EXPIRE GT LT",
      ["EXPIRE a 1 GT LT"],
      "-ERR GT and LT options at the same time are not compatible",
    ],
    ["EXPIRE foo", ["EXPIRE a 1 foo"], "-ERR Unsupported option foo"],
    ["EXPIRE x", ["EXPIRE a x"], NOT_INTEGER],
    [
      "EXPIRE far away",
      ["EXPIRE a 9223372036854775807"],
      "-ERR invalid expire time in 'expire' command",
    ],
    ["PERSIST", ["SET a 1 EX 5", "PERSIST a", "TTL a"], -1],
    ["PERSIST without expiry", ["SET a 1", "PERSIST a"], 0],
  ])("%s", async (_, commands, reply) => {
    expect(await lastOf(...commands)).toEqual(reply);
  });

  test("DEL writes a tombstone also where a read found nothing", async () => {
    const harness = new SessionHarness();
    await run(harness, "DEL a b");
    expect(harness.kv.seen.map(({ kind }) => kind)).toEqual(["read", "write", "read", "write"]);
  });
});

describe("walking and counting", () => {
  test("SCAN walks all pages", async () => {
    const harness = new SessionHarness();
    await run(harness, "MSET a 1 b 2 c 3");
    expect(await run(harness, "SCAN 0 COUNT 2", "SCAN 2 COUNT 2")).toEqual([
      ["2", ["a", "b"]],
      ["0", ["c"]],
    ]);
  });

  test.each<[string, Reply]>([
    ["SCAN 0 MATCH k?", ["0", ["k1", "k2"]]],
    ["SCAN 0 TYPE string MATCH *2", ["0", ["k2"]]],
    ["SCAN 0 TYPE hash", ["0", []]],
    ["SCAN x", "-ERR invalid cursor"],
    ["SCAN 18446744073709551616", "-ERR invalid cursor"],
    ["SCAN 0 COUNT 0", SYNTAX],
    ["SCAN 0 COUNT x", NOT_INTEGER],
    ["SCAN 0 FOO 1", SYNTAX],
    ["SCAN 0 COUNT", SYNTAX],
    ["DBSIZE", 3],
  ])("%s", async (command, reply) => {
    expect(await lastOf("MSET k1 1 k2 2 other 3", command)).toEqual(reply);
  });

  test("a failure of the store is the reply", async () => {
    const harness = new SessionHarness();
    harness.kv.keyspaces = ["other"];
    const [scan, size] = await run(harness, "SCAN 0", "DBSIZE");
    expect(scan).toBe(size);
    expect(scan).toBe(
      "-NOKEYSPACE there is no keyspace 'default'; create it or SELECT one of: other",
    );
  });

  test("a bug in the store is told as an internal error, and logged", async () => {
    const harness = new SessionHarness();
    harness.kv.count = () => Promise.reject(new Error("bug"));
    expect(await run(harness, "DBSIZE", "PING")).toEqual([
      "-ERR internal error, see the log of the server",
      "+PONG",
    ]);
    expect(harness.logged).toContain("resp.command-failed");
  });
});

describe("consistency", () => {
  test.each<[string[], unknown, unknown]>([
    [[], undefined, undefined],
    [["CONSISTENCY QUORUM"], "QUORUM", "QUORUM"],
    [["CONSISTENCY read one", "CONSISTENCY WRITE ALL"], "ONE", "ALL"],
    [["CONSISTENCY 2"], 2, 2],
    [["CONSISTENCY WRITE ANY"], undefined, "ANY"],
    [["CONSISTENCY QUORUM", "CONSISTENCY READ DEFAULT"], undefined, "QUORUM"],
    [["DYNO_CONFIG:CONN_CONSISTENCY DC_QUORUM"], "LOCAL_QUORUM", "LOCAL_QUORUM"],
    [["dyno_config:conn_consistency dc_one"], "LOCAL_ONE", "LOCAL_ONE"],
    [["CONSISTENCY ALL", "RESET"], undefined, undefined],
    [["CONSISTENCY ALL", "WITH TWO GET a"], "ALL", "ALL"],
  ])("after %j", async (commands, readLevel, writeLevel) => {
    const harness = new SessionHarness();
    await run(harness, ...commands, "GET k", "SET k v");
    const operations = harness.kv.seen.filter(({ key }) => key === "k");
    expect(operations.map(({ consistency }) => consistency)).toEqual([readLevel, writeLevel]);
  });

  test("WITH holds for the reads and the writes of one command", async () => {
    const harness = new SessionHarness();
    const replies = await run(harness, "SET a 1", "WITH each_quorum GETDEL a", "WITH 3 MGET a b");
    expect(replies).toEqual(["+OK", "1", [null, null]]);
    expect(harness.kv.seen.map(({ consistency }) => consistency)).toEqual([
      undefined,
      "EACH_QUORUM",
      "EACH_QUORUM",
      3,
      3,
    ]);
  });

  test.each<[string, unknown]>([
    ["WITH QUORUM PING", "+PONG"],
    ["WITH QUORUM WITH ONE GET a", "-ERR WITH cannot be nested"],
    ["WITH QUORUM GET", "-ERR wrong number of arguments for 'get' command"],
    ["WITH QUORUM", "-ERR wrong number of arguments for 'with' command"],
    ["WITH QUORUM NOSUCH x", "-ERR unknown command 'NOSUCH', with args beginning with: 'x' "],
    [
      "WITH MOST GET a",
      expect.stringMatching(
        /^-ERR unknown consistency level 'MOST', expected one of ANY, .* or a number/,
      ),
    ],
    ["CONSISTENCY 0", expect.stringMatching(/^-ERR unknown consistency level '0'/)],
    ["CONSISTENCY ANY", expect.stringMatching(/^-ERR level ANY cannot be used for reads/)],
    ["CONSISTENCY READ ONE TWO", SYNTAX],
    ["CONSISTENCY", ["read", "ONE", "write", "QUORUM"]],
    ["CONSISTENCY WRITE", "QUORUM"],
  ])("%s", async (command, reply) => {
    expect(await lastOf(command)).toEqual(reply);
  });
});

describe("the connection", () => {
  test.each<[string[], Reply]>([
    [["PING"], "+PONG"],
    [["PING hi"], "hi"],
    [["PING a b"], "-ERR wrong number of arguments for 'ping' command"],
    [["ECHO hi"], "hi"],
    [["HELLO 4"], "-NOPROTO unsupported protocol version"],
    [["HELLO x"], "-ERR Protocol version is not an integer or out of range"],
    [["HELLO 3 FOO"], "-ERR Syntax error in HELLO option 'FOO'"],
    [["HELLO 3 SETNAME"], "-ERR Syntax error in HELLO option 'SETNAME'"],
    [["HELLO 3 AUTH bob x"], "-WRONGPASS invalid username-password pair or user is disabled."],
    [["HELLO 3 AUTH default x SETNAME me", "CLIENT GETNAME"], "me"],
    [["AUTH default x"], "+OK"],
    [["AUTH bob x"], "-WRONGPASS invalid username-password pair or user is disabled."],
    [["SELECT 1", "SET a 1", "SELECT 0", "GET a"], null],
    [["SELECT other", "SET a 1", "SELECT 1", "GET a"], "1"],
    [["SELECT 2"], "-ERR DB index is out of range"],
    [["SELECT -1"], "-ERR DB index is out of range"],
    [["SELECT 99999999999999999999"], NOT_INTEGER],
    [
      ["SELECT nosuch"],
      "-NOKEYSPACE there is no keyspace 'nosuch'; create it or SELECT one of: default, other",
    ],
    [["RESET"], "+RESET"],
    [["CLIENT SETNAME me", "RESET", "CLIENT GETNAME"], null],
    [["QUIT"], "+OK"],
    [["CLIENT ID"], 7],
    [["CLIENT GETNAME"], null],
    [["CLIENT SETNAME me", "CLIENT GETNAME"], "me"],
    [
      ["CLIENT SETNAME a\u0000b"],
      "-ERR Client names cannot contain spaces, newlines or special characters.",
    ],
    [["CLIENT SETINFO LIB-NAME ioredis"], "+OK"],
    [["CLIENT SETINFO lib-ver 1.0"], "+OK"],
    [["CLIENT SETINFO foo 1.0"], "-ERR Unrecognized option 'foo'"],
    [["CLIENT KILL 1.2.3.4:5"], "-ERR No such client"],
    [["CLIENT KILL ID 999"], 0],
    [["CLIENT KILL ID x"], "-ERR client-id should be greater than 0"],
    [["CLIENT KILL ID 7"], 0],
    [["CLIENT KILL ID 7 SKIPME no"], 1],
    [["CLIENT KILL 127.0.0.1:50000"], "+OK"],
    [["CLIENT KILL TYPE normal USER default MAXAGE 2000 SKIPME no"], 0],
    [["CLIENT KILL FOO 1"], SYNTAX],
    [["CLIENT LIST TYPE foo"], "-ERR Unknown client type 'foo'"],
    [["CLIENT LIST ID x"], "-ERR Invalid client ID"],
    [["CLIENT LIST ID 8"], ""],
    [
      ["CLIENT MAINT_NOTIFICATIONS ON"],
      "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.",
    ],
    [["CLIENT"], "-ERR wrong number of arguments for 'client' command"],
    [["CLIENT GETNAME x"], "-ERR wrong number of arguments for 'client|getname' command"],
  ])("%j", async (commands, reply) => {
    expect(await lastOf(...commands)).toEqual(reply);
  });

  test("HELLO 3 describes the server as a map and switches the dialect", async () => {
    expect(await run(new SessionHarness(), "HELLO 3", "GET a", "CONFIG GET save")).toEqual([
      {
        server: "redis",
        version: "7.4.0",
        proto: 3,
        id: 7,
        mode: "standalone",
        role: "master",
        modules: [],
      },
      null,
      { save: "" },
    ]);
  });

  test("CLIENT LIST shows what the connection told about itself", async () => {
    const commands = [
      "SELECT 1",
      "CLIENT SETNAME me",
      "CLIENT SETINFO LIB-VER 9.9",
      "CLIENT LIST ID 7",
    ];
    const line = await textOf(...commands);
    expect(await textOf(...commands.slice(0, -1), "CLIENT LIST")).toContain("name=me");
    for (const field of ["id=7", "addr=127.0.0.1:50000", "name=me", "db=1", "lib-ver=9.9"]) {
      expect(line.trim().split(" ")).toContain(field);
    }
    expect(await lastOf("CLIENT INFO")).toMatch(/^id=7 .*cmd=client\|info/);
  });

  test.each(["CLIENT HELP", "CONFIG HELP", "COMMAND HELP"])(
    "%s lists subcommands",
    async (command) => {
      expect((await lastOf(command)) as Reply[]).toContain("+HELP");
    },
  );
});

describe("the server", () => {
  test.each<[string, Reply]>([
    ["CONFIG GET save", ["save", ""]],
    ["CONFIG GET appendonly SAVE", ["appendonly", "no", "save", ""]],
    ["CONFIG GET maxclient?", ["maxclients", "10000"]],
    ["CONFIG GET databases", ["databases", "2"]],
    ["CONFIG GET nosuch", []],
    [
      "CONFIG SET save 1",
      "-ERR CONFIG SET is not supported: set it in the configuration of the member",
    ],
    ["TIME", [String(NOW_MS / 1000), "0"]],
    ["INFO nosuch", ""],
    ["COMMAND COUNT", createCommandTable().specs.length],
    ["COMMAND GETKEYS mset a 1 b 2", ["a", "b"]],
    ["COMMAND GETKEYS del a b", ["a", "b"]],
    ["COMMAND GETKEYS get a", ["a"]],
    ["COMMAND GETKEYS get a b", "-ERR Invalid number of arguments specified for command"],
    ["COMMAND GETKEYS ping x", "-ERR The command has no key arguments"],
    ["COMMAND GETKEYS nosuch x", "-ERR Invalid command specified"],
    ["COMMAND INFO nosuch", [null]],
    ["COMMAND LIST FILTERBY PATTERN get?*", ["getset", "getex", "getdel"]],
    ["COMMAND LIST FOO", SYNTAX],
    ["COMMAND DOCS nosuch", []],
    [
      "COMMAND DOCS echo",
      ["echo", ["summary", "Answers the message.", "since", "1.0.0", "group", "connection"]],
    ],
    ["COMMAND NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try COMMAND HELP."],
  ])("%s", async (command, reply) => {
    expect(await lastOf(command)).toEqual(reply);
  });

  test("INFO tells readiness checks that it is loaded and a master", async () => {
    const lines = (await textOf("INFO")).split("\r\n");
    for (const line of ["loading:0", "role:master", "cluster_enabled:0", "members_up:1"]) {
      expect(lines).toContain(line);
    }
    expect((await textOf("INFO clients REPLICATION")).match(/^# .*$/gm)).toEqual([
      "# Clients",
      "# Replication",
    ]);
  });

  test("COMMAND describes every command of the table", async () => {
    const entries = (await lastOf("COMMAND")) as Reply[][];
    const specs = createCommandTable().specs;
    expect(entries.map(([name]) => name)).toEqual(specs.map(({ name }) => name));
    const get = entries.find(([name]) => name === "get");
    expect(get?.slice(0, 7)).toEqual([
      "get",
      2,
      ["+readonly", "+fast"],
      1,
      1,
      1,
      ["+@read", "+@string", "+@fast"],
    ]);
    expect(entries.find(([name]) => name === "config")?.[9]).toHaveLength(3);
  });
});

test("every command of the table is tried above", () => {
  const names = createCommandTable().specs.flatMap((spec: CommandSpec) =>
    spec.subcommands === undefined || spec.name === "command"
      ? [spec.name, ...(spec.subcommands ?? []).map(({ name }) => name)]
      : spec.subcommands.map(({ name }) => name),
  );
  expect(names.filter((name) => !tried.has(name))).toEqual([]);
});
