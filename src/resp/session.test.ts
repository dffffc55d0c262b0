import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Reply, SessionHarness } from "./session-harness.suite.ts";

describe("replies", () => {
  test("come in the order of the commands, whatever the order of the answers", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(6), { maxLength: 40 }), fc.nat(), (keys, seed) => {
        const harness = new SessionHarness();
        for (let key = 0; key < 7; key++) harness.run(`SET k${key} value${key}`);
        harness.holdAnswers();
        harness.send(...keys.flatMap((key) => [`GET k${key}`, `ECHO ${key}`]));
        harness.giveAnswers(seed);
        expect(harness.replies()).toEqual(keys.flatMap((key) => [`value${key}`, String(key)]));
        expect(harness.session.inFlight).toBe(0);
      }),
    );
  });

  test("are sent with one write per read and one write per turn", () => {
    const harness = new SessionHarness();
    harness.send("PING", "GET a", "PING");
    expect(harness.writes).toBe(1);
    harness.holdAnswers();
    harness.send("GET a", "GET b", "GET c");
    expect(harness.writes).toBe(1);
    harness.giveAnswers(3);
    expect(harness.writes).toBe(2);
    expect(harness.replies()).toEqual(["+PONG", null, "+PONG", null, null, null]);
  });

  test("are encoded in the dialect that was in force when their command came", () => {
    const harness = new SessionHarness();
    harness.holdAnswers();
    harness.send("GET a", "HELLO 3", "GET b", "RESET", "GET c");
    harness.giveAnswers();
    const text = harness.sentText();
    expect(text.startsWith("$-1\r\n%7\r\n")).toBe(true);
    expect(text.endsWith("_\r\n+RESET\r\n$-1\r\n")).toBe(true);
  });

  test("of a closed connection are dropped when they come", () => {
    const harness = new SessionHarness();
    harness.holdAnswers();
    harness.send("GET a", "SET b 1", "GETDEL c");
    harness.session.closed();
    harness.giveAnswers();
    expect(harness.sentText()).toBe("");
    expect(harness.session.inFlight).toBe(0);
  });
});

/** Redis on one map: what a client that pipelines may rely on. */
function runInOrder(commands: readonly string[]): Reply[] {
  const cells = new Map<string, { value: string; hasExpiry: boolean }>();
  return commands.map((command): Reply => {
    const [name = "", key = "", value = ""] = command.split(" ");
    const cell = cells.get(key);
    switch (name) {
      case "SET":
        cells.set(key, { value, hasExpiry: false });
        return "+OK";
      case "GET":
        return cell?.value ?? null;
      case "GETDEL":
        cells.delete(key);
        return cell?.value ?? null;
      case "DEL":
        return cells.delete(key) ? 1 : 0;
      case "EXPIRE":
        if (cell !== undefined) cells.set(key, { ...cell, hasExpiry: true });
        return cell === undefined ? 0 : 1;
      case "TTL":
        if (cell === undefined) return -2;
        return cell.hasExpiry ? 100 : -1;
      case "MGET":
        return command
          .split(" ")
          .slice(1)
          .map((each) => cells.get(each)?.value ?? null);
      default:
        throw new Error(name);
    }
  });
}

describe("commands of one connection", () => {
  const key = fc.constantFrom("a", "b", "c");
  const command = fc.oneof(
    fc.tuple(key, fc.nat(99)).map(([k, value]) => `SET ${k} ${value}`),
    key.map((k) => `GET ${k}`),
    key.map((k) => `GETDEL ${k}`),
    key.map((k) => `DEL ${k}`),
    key.map((k) => `EXPIRE ${k} 100`),
    key.map((k) => `TTL ${k}`),
    fc.tuple(key, key).map(([one, other]) => `MGET ${one} ${other}`),
  );

  test("on the same keys take effect in their order, though answers come late and out of order", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 25 }), fc.nat(), (commands, seed) => {
        const harness = new SessionHarness();
        harness.holdAnswers();
        harness.send(...commands);
        for (let turn = 0; harness.session.inFlight > 0; turn++) {
          expect(harness.heldAnswers).toBeGreaterThan(0);
          harness.giveAnswers(seed + turn);
        }
        expect(harness.replies()).toEqual(runInOrder(commands));
        expect(harness.isReadingPaused).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  test("on different keys run at the same time", () => {
    const harness = new SessionHarness();
    harness.holdAnswers();
    harness.send("SET a 1", "GET b", "EXPIRE c 1", "GETDEL d", "MGET e f", "DEL g");
    expect(harness.session.inFlight).toBe(6);
  });

  test("plain writes to one key run at the same time, and so do reads", () => {
    const harness = new SessionHarness();
    harness.holdAnswers();
    harness.send("SET a 1", "SET a 2", "SET a 3 EX 9", "GET b", "GET b", "TTL b");
    expect(harness.session.inFlight).toBe(6);
    expect(harness.isReadingPaused).toBe(false);
  });

  test("a walk of the ring waits for the writes before it", async () => {
    const harness = new SessionHarness();
    harness.holdAnswers();
    harness.send("SET a 1", "DBSIZE", "SET b 1");
    expect(harness.kv.seen.map(({ kind }) => kind)).toEqual(["write"]);
    for (let turn = 0; turn < 3; turn++) {
      harness.giveAnswers();
      await harness.settle();
    }
    expect(harness.replies()).toEqual(["+OK", 1, "+OK"]);
  });
});

describe("limits", () => {
  test("a full queue of unanswered commands stops reading until there is room", () => {
    const harness = new SessionHarness({ maxInFlight: 3 });
    harness.holdAnswers();
    harness.send(...Array.from({ length: 8 }, (_, index) => `GET k${index}`));
    expect(harness.session.inFlight).toBe(3);
    expect(harness.isReadingPaused).toBe(true);
    harness.giveAnswers();
    expect(harness.session.inFlight).toBe(3);
    harness.giveAnswers();
    expect(harness.isReadingPaused).toBe(false);
    harness.giveAnswers();
    expect(harness.replies()).toHaveLength(8);
  });

  test("output that is not taken stops reading until it drains", () => {
    const harness = new SessionHarness({ softOutputBytes: 1000 });
    harness.backlogBytes = 2000;
    harness.send("PING");
    harness.send("PING", "PING");
    expect(harness.isReadingPaused).toBe(true);
    expect(harness.replies()).toEqual(["+PONG"]);
    harness.backlogBytes = 0;
    harness.session.drained();
    harness.endTurn();
    expect(harness.isReadingPaused).toBe(false);
    expect(harness.replies()).toEqual(["+PONG", "+PONG"]);
  });

  test("a pipeline of reads of large values starts few of them at a time", () => {
    const harness = new SessionHarness({ softOutputBytes: 400_000 });
    harness.run(`SET big ${"x".repeat(100_000)}`);
    harness.holdAnswers();
    harness.send(...Array.from({ length: 60 }, () => "GET big"));
    let largest = 0;
    let replies = 0;
    while (harness.session.inFlight > 0) {
      harness.giveAnswers();
      const text = harness.sentText();
      largest = Math.max(largest, text.length);
      replies += text.split("$100000").length - 1;
    }
    expect(replies).toBe(60);
    expect(largest).toBeLessThan(800_000);
  });

  test("a client whose output exceeds the hard limit is closed, and it is logged", () => {
    const harness = new SessionHarness({ hardOutputBytes: 5000 });
    harness.run(`SET a ${"x".repeat(3000)}`);
    harness.holdAnswers();
    harness.send("GET b", "GET a", "GET a", "GET a");
    harness.backlogBytes = 4000;
    harness.giveAnswers(2);
    expect(harness.isDestroyed).toBe(true);
    expect(harness.logged).toContain("resp.client-killed");
  });

  test("a reply on many keys has a limit of its own", () => {
    const harness = new SessionHarness({ maxReplyBytes: 5000 });
    harness.run(`SET a ${"x".repeat(3000)}`);
    expect(harness.run("MGET a b")).toHaveLength(2);
    expect(harness.run("MGET a a")).toMatch(/^-TOOLARGE /);
  });
});

describe("the end of a connection", () => {
  test("QUIT answers what came before it and ignores what comes after", () => {
    const harness = new SessionHarness();
    harness.holdAnswers();
    harness.send("GET a", "QUIT", "PING");
    expect(harness.isEnded).toBe(false);
    harness.giveAnswers();
    expect(harness.replies()).toEqual([null, "+OK"]);
    expect(harness.isEnded).toBe(true);
  });

  test("a client that sends no more still gets its answers", () => {
    const harness = new SessionHarness({ maxInFlight: 1 });
    harness.holdAnswers();
    harness.send("GET a", "GET b");
    harness.session.inputEnded();
    harness.giveAnswers();
    expect(harness.isEnded).toBe(false);
    harness.giveAnswers();
    expect(harness.replies()).toEqual([null, null]);
    expect(harness.isEnded).toBe(true);
  });

  test("draining answers running commands and starts no other", () => {
    const harness = new SessionHarness();
    harness.holdAnswers();
    harness.send("GET a");
    harness.session.drain();
    harness.send("PING");
    harness.giveAnswers();
    expect(harness.replies()).toEqual([null]);
    expect(harness.isEnded).toBe(true);
  });

  test("a protocol error is answered in its turn and ends the connection", () => {
    const harness = new SessionHarness();
    harness.holdAnswers();
    harness.send("GET a");
    harness.session.push(Buffer.from("*1\r\n:5\r\nPING\r\n"));
    harness.giveAnswers();
    expect(harness.replies()).toEqual([null, "-ERR Protocol error: expected '$', got ':'"]);
    expect(harness.isEnded).toBe(true);
  });

  test("an HTTP request ends the connection before its body is taken for commands", () => {
    const harness = new SessionHarness();
    harness.session.push(Buffer.from("POST / HTTP/1.1\r\nSET a 1\r\n"));
    expect(harness.isEnded).toBe(true);
    expect(harness.logged).toContain("resp.http-request");
    expect(harness.kv.cells.size).toBe(0);
  });
});
