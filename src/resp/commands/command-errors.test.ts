/** What clients are told when a command cannot be done. */
import { describe, expect, test } from "vitest";
import { KvError } from "../../model/kv-error.ts";
import { type Reply, SessionHarness } from "../session-harness.suite.ts";

describe("errors", () => {
  test.each<[string, Reply]>([
    ["NOSUCH a b", "-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' "],
    [
      `nosuch ${"x".repeat(200)} y`,
      `-ERR unknown command 'nosuch', with args beginning with: '${"x".repeat(128)}' `,
    ],
    ["GET", "-ERR wrong number of arguments for 'get' command"],
    ["get a b", "-ERR wrong number of arguments for 'get' command"],
  ])("%s leaves the connection open", async (command, reply) => {
    const harness = new SessionHarness();
    expect(await harness.runAll(command, "PING")).toEqual([reply, "+PONG"]);
  });

  test.each<[KvError, string]>([
    [
      new KvError({ code: "UNAVAILABLE", level: "QUORUM", required: 2, alive: 1, down: ["n2"] }),
      "-UNAVAILABLE level QUORUM needs 2 live replicas and 1 are alive; down: n2; nothing was written",
    ],
    [
      new KvError(
        {
          code: "TIMEOUT",
          operation: "write",
          level: "ALL",
          required: 3,
          received: 1,
          timeoutMs: 9,
          silent: [],
        },
        "unknown",
      ),
      "-TIMEOUT write at level ALL needs 3 answers and got 1 in 9 ms; outcome unknown: the write may still become visible",
    ],
    [
      new KvError({ code: "BUSY", reason: "full", retryAfterMs: 5 }),
      "-BUSY overloaded: full; retry after 5 ms; nothing was written",
    ],
    [
      new KvError({ code: "TOO_LARGE", what: "value", sizeBytes: 9, maxBytes: 8 }),
      "-TOOLARGE value of 9 bytes is over the limit of 8 bytes; nothing was written",
    ],
    [
      new KvError({ code: "NOT_READY", reason: "joining" }),
      "-NOTREADY this member cannot serve: joining; nothing was written",
    ],
    [
      new KvError({
        code: "REPLICA_FAILURE",
        operation: "write",
        level: "ONE",
        required: 1,
        received: 0,
        failures: [],
      }),
      "-REPLICAFAILURE write at level ONE needs 1 answers and got 0; nothing was written",
    ],
  ])("a failed write says what may have become of it: %s", async (error, reply) => {
    const harness = new SessionHarness();
    harness.kv.failure = (_, kind) => (kind === "write" ? error : undefined);
    expect(await harness.runAll("SET a 1", "PING")).toEqual([reply, "+PONG"]);
    expect(await harness.runAll("GETDEL a")).toEqual([null]);
  });

  test("a failed read says nothing of writes", async () => {
    const harness = new SessionHarness();
    harness.kv.failure = () => new KvError({ code: "BUSY", reason: "full", retryAfterMs: 5 });
    expect(await harness.runAll("GET a")).toEqual(["-BUSY overloaded: full; retry after 5 ms"]);
  });

  test("commands on many keys name the keys that failed", async () => {
    const harness = new SessionHarness();
    const busy = new KvError({ code: "BUSY", reason: "full", retryAfterMs: 5 });
    harness.kv.failure = (key) => (key === "b" || key === "c" ? busy : undefined);
    const text = "-BUSY overloaded: full; retry after 5 ms";
    expect(await harness.runAll("MSET a 1 b 2 c 3", "MGET a b", "DEL a b", "EXISTS b")).toEqual([
      `${text}; MSET is not atomic: 2 of 3 keys ('b', 'c') were not written, the others were`,
      `${text}; 1 of 2 keys ('b') could not be read`,
      `${text}; DEL is not atomic: 1 of 2 keys ('b') were not deleted, the others were`,
      `${text}; 1 of 1 keys ('b') could not be read`,
    ]);
    expect(harness.kv.valueOf("a")).toBeUndefined();
  });

  test("a refusal of the control plane is the reply", async () => {
    const harness = new SessionHarness();
    const refuse = (): never => {
      throw new KvError({ code: "NOT_READY", reason: "joining" });
    };
    Object.assign(harness.admin, { status: refuse, keyspaces: refuse });
    const replies = await harness.runAll("INFO", "SELECT 0", "CONSISTENCY", "CONFIG GET *", "PING");
    const refusal = "-NOTREADY this member cannot serve: joining";
    expect(replies).toEqual([refusal, refusal, refusal, refusal, "+PONG"]);
  });

  test("data commands without the default keyspace answer NOKEYSPACE and say what there is", async () => {
    const harness = new SessionHarness();
    harness.kv.keyspaces = [];
    expect(await harness.runAll("GET a")).toEqual([
      "-NOKEYSPACE there is no keyspace 'default'; create it",
    ]);
    expect(await harness.runAll("PING")).toEqual(["+PONG"]);
  });
});
