/**
 * The front end beside a real Redis: the same commands, the same replies, byte for byte.
 *
 * Skipped where `redis-server` is not installed. Replies that must differ (the version, the command
 * table, what is not supported) are not asked for.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { encodeWords, SessionHarness } from "./session-harness.suite.ts";

const isInstalled = ((): boolean => {
  try {
    execFileSync("redis-server", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    console.log("redis-server is not installed: replies are not compared with those of Redis");
    return false;
  }
})();

/** Ends a batch of replies: nothing else answers with it. */
const MARK = "--end--";
const MARK_REPLY = `$${MARK.length}\r\n${MARK}\r\n`;

let directory = "";
let redis: ChildProcess | undefined;
let socket: Socket | undefined;

/** What Redis answers to bytes on a fresh, empty database. */
async function askRedis(bytes: Buffer): Promise<string> {
  const client = connect(join(directory, "socket")).setEncoding("latin1");
  let received = "";
  client.on("data", (text: string) => (received += text));
  const closed = once(client, "close");
  client.write(encodeWords("FLUSHALL"));
  client.write(bytes);
  client.write(encodeWords(`ECHO ${MARK}`));
  await Promise.race([closed, vi.waitUntil(() => received.endsWith(MARK_REPLY), { interval: 1 })]);
  client.destroy();
  return received.slice("+OK\r\n".length);
}

async function askOurs(bytes: Buffer): Promise<string> {
  const harness = new SessionHarness();
  harness.kv.clockMs = Date.now();
  harness.session.push(Buffer.concat([bytes, encodeWords(`ECHO ${MARK}`)]));
  await harness.settle();
  return harness.sentText();
}

/** What differs by choice: SET NX, GETEX with PERSIST twice, and that GETEX looks at its arguments before it looks at the key. */
function isDifferent(command: string): boolean {
  return (
    /^SET .* (?:NX|XX)\b|PERSIST PERSIST/i.test(command) ||
    /^GETEX \w (?:EX|PX)(?:AT)? (?![1-9]\d*$)/i.test(command)
  );
}

/** Expiries that may pass while the test runs. */
function expiresSoon(command: string): boolean {
  return / px (?:100|5000)\b/i.test(command) || /^PEXPIRE \w 5000\b/.test(command);
}

describe.runIf(isInstalled)("beside Redis", () => {
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "dynaring-redis-"));
    const path = join(directory, "socket");
    const args = ["--port", "0", "--unixsocket", path, "--save", "", "--dir", directory];
    redis = spawn("redis-server", args, { stdio: "ignore" });
    await vi.waitFor(
      async () => {
        socket = connect(path);
        await once(socket, "connect");
        socket.destroy();
      },
      { timeout: 5000, interval: 20 },
    );
  });

  afterAll(async () => {
    if (redis !== undefined) {
      const ended = once(redis, "exit");
      redis.kill();
      await ended;
    }
    rmSync(directory, { recursive: true, force: true });
  });

  const key = fc.constantFrom("a", "b", "c");
  const value = fc.constantFrom("1", "xyz", "");
  const seconds = fc.constantFrom("100", "5000", "0", "-5", "x", "9223372036854775808", "01");
  const option = fc.constantFrom("EX", "px", "EXAT", "PXAT");
  const unix = fc.constantFrom("99999999999", "5", "0");
  const word = fc.constantFrom("GET", "KEEPTTL", "keepttl", "PERSIST", "foo", "EX", "PX", "100");
  const condition = fc.constantFrom("NX", "xx", "GT", "LT", "foo");
  const command = fc.oneof(
    fc.tuple(key, value).map(([k, v]) => `SET ${k} ${v}`),
    fc
      .tuple(key, value, fc.array(word, { maxLength: 3 }))
      .map(([k, v, w]) => ["SET", k, v, ...w].join(" ")),
    fc
      .tuple(key, value, option, fc.oneof(seconds, unix))
      .map(([k, v, o, t]) => `SET ${k} ${v} ${o} ${t}`),
    fc.tuple(key, option, unix).map(([k, o, t]) => `GETEX ${k} ${o} ${t}`),
    fc.tuple(key, fc.array(word, { maxLength: 2 })).map(([k, w]) => ["GETEX", k, ...w].join(" ")),
    fc.tuple(key, seconds, value).map(([k, s, v]) => `SETEX ${k} ${s} ${v}`),
    fc
      .tuple(
        fc.constantFrom("EXPIRE", "PEXPIRE"),
        key,
        seconds,
        fc.array(condition, { maxLength: 2 }),
      )
      .map(([name, k, s, c]) =>
        [name, k, name === "PEXPIRE" && s === "100" ? "100000" : s, ...c].join(" "),
      ),
    fc.tuple(fc.constantFrom("EXPIREAT", "PEXPIREAT"), key, unix).map((words) => words.join(" ")),
    fc
      .tuple(
        fc.constantFrom(
          "GET",
          "GETDEL",
          "DEL",
          "EXISTS",
          "TTL",
          "STRLEN",
          "TYPE",
          "PERSIST",
          "MGET",
          "MSET",
          "GETSET",
          "UNLINK",
        ),
        fc.array(fc.oneof(key, value), { maxLength: 3 }),
      )
      .map(([name, words]) => [name, ...words].join(" ")),
    fc
      .tuple(key, fc.constantFrom("[ab]", "?", "*", "[^a]*", "\\a", "x"))
      .map(([, p]) => `SCAN 0 COUNT 0 MATCH ${p}`),
  );

  test("random commands on a few keys get the replies of Redis", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 30 }), async (commands) => {
        const kept = commands.filter((text) => !isDifferent(text) && !expiresSoon(text));
        const bytes = Buffer.concat(kept.map(encodeWords));
        expect(await askOurs(bytes)).toBe(await askRedis(bytes));
      }),
      { numRuns: 150 },
    );
  });

  test.each([
    "PING\r\n\r\nPING hi\r\nPING a b\r\nECHO\r\necho x\r\n",
    'echo "a\\x41\\n b"\r\necho \'it\\\'s\'\r\necho ""\r\n',
    'echo "unbalanced\r\nPING\r\n',
    "*1\r\n:1\r\nPING\r\n",
    "*x\r\n",
    "*1\r\n$x\r\n",
    "*1\r\n$-1\r\n",
    "*0\r\n*-1\r\nPING\r\n",
    'NOSUCH\r\nnosuch a b c\r\n""\r\n',
    `nosuch ${"x".repeat(200)} ${"y".repeat(20)}\r\n`,
    `${"n".repeat(200)} a\r\n`,
    "CLIENT\r\nCLIENT FOO\r\nCLIENT GETNAME\r\nCLIENT SETNAME x\r\nclient getname\r\nCLIENT GETNAME x\r\n",
    'CLIENT SETNAME "a b"\r\nCLIENT KILL 1.2.3.4:5\r\nCLIENT KILL ID 99999\r\nCLIENT KILL ID x\r\nCLIENT KILL a b c\r\n',
    "CLIENT LIST TYPE foo\r\nCLIENT LIST ID x\r\nCLIENT LIST ID 99999\r\n",
    "CONFIG\r\nCONFIG FOO\r\nCONFIG GET\r\nCONFIG GET save\r\nCONFIG GET appendonl?\r\nCONFIG GET nosuch\r\nCONFIG SET a\r\n",
    "COMMAND FOO\r\nCOMMAND GETKEYS\r\nCOMMAND GETKEYS get a b\r\nCOMMAND GETKEYS nosuch a\r\nCOMMAND GETKEYS ping a\r\n",
    "COMMAND GETKEYS mset a 1 b 2\r\nCOMMAND INFO nosuch\r\nCOMMAND LIST FOO\r\nCOMMAND LIST FILTERBY\r\nCOMMAND DOCS nosuch\r\n",
    "HELLO 4\r\nHELLO x\r\nHELLO 3 FOO\r\nHELLO 3 SETNAME\r\nHELLO 2 AUTH bob x\r\n",
    "AUTH x\r\nAUTH bob x\r\nAUTH default x\r\nAUTH a b c\r\n",
    "SELECT -1\r\nSELECT 99\r\nSELECT\r\nSELECT 1\r\nSET a 1\r\nSELECT 0\r\nGET a\r\n",
    "SCAN x\r\nSCAN 0 FOO\r\nSCAN 0 COUNT x\r\nSCAN 0 COUNT\r\nSCAN 0 COUNT 0\r\nSCAN 0 TYPE hash\r\nSCAN 0\r\n",
    "MSET a\r\nMSET a b c\r\nMGET\r\nDEL\r\nDBSIZE x\r\nDBSIZE\r\nTIME x\r\n",
    "MSET a 1 b 2\r\nDBSIZE\r\nRESET\r\nQUIT\r\nPING\r\n",
    "HELLO 3 SETNAME me FOO\r\nSET a 1\r\nMGET a b\r\nGET b\r\nCONFIG GET save\r\nCOMMAND INFO nosuch\r\nRESET\r\nGET b\r\n",
    "INFO nosuch\r\nEXPIRE a 1 NX XX\r\nEXPIRE a 1 GT LT\r\nEXPIRE a 1 bad\r\n",
  ])("%j", async (text) => {
    const bytes = Buffer.from(text);
    expect(await askOurs(bytes)).toBe(await askRedis(bytes));
  });
});
