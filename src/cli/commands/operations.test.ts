import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { FAKE_PLAN, fakeTask } from "../../http/fake-topology.suite.ts";
import { FAKE_MEMBERS, FakeAdmin, FakeKv } from "../../http/fakes.suite.ts";
import { HttpServer } from "../../http/server.ts";
import { silentLogger } from "../../model/deps.ts";
import type { MemberView } from "../../model/admin-api.ts";
import { KvError } from "../../model/kv-error.ts";
import { OPERATION_COMMANDS, runCli } from "../program.ts";

let admin: FakeAdmin;
let server: HttpServer;
let url: string;
const SELF = FAKE_MEMBERS[0]!.id;

beforeEach(async () => {
  reachable.length = 0;
  admin = new FakeAdmin();
  await server.stop();
  server = serverOf(admin);
  await server.start();
  url = `http://127.0.0.1:${server.port}`;
});

beforeAll(() => {
  server = serverOf(new FakeAdmin());
});

afterAll(async () => {
  await server.stop();
});

function serverOf(served: FakeAdmin): HttpServer {
  return new HttpServer(
    { kv: new FakeKv(), admin: served, logger: silentLogger },
    {
      host: "127.0.0.1",
      port: 0,
      valueLimitBytes: 1024,
      durability: "fsync",
      releaseVersion: "0.1.0",
    },
  );
}

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** URLs of other servers of a test. */
const reachable: string[] = [];

/** Nobody but the servers of the test is there: the addresses of the fake members may be in use. */
const onlyServer: typeof globalThis.fetch = (input, init) =>
  typeof input === "string" && [url, ...reachable].some((known) => input.startsWith(known))
    ? globalThis.fetch(input, init)
    : Promise.reject(new TypeError("fetch failed"));

async function run(
  line: string,
  { answer, pause }: { answer?: string; pause?: () => Promise<void> } = {},
): Promise<Run> {
  let out = "";
  let err = "";
  const context = {
    env: { DYNARING_URL: url },
    isTerminal: answer !== undefined,
    fetch: onlyServer,
    pause: pause ?? (() => Promise.resolve()),
    input: (async function* () {
      yield* await Promise.resolve([Buffer.from(answer ?? "")]);
    })(),
    write: (text: string) => void (out += text),
    writeError: (text: string) => void (err += text),
  };
  const code = await runCli(context, line.split(" "));
  return { code, out: stripVTControlCharacters(out), err: err.replaceAll(url, "URL") };
}

/** The JSON lines of a command. */
function eventsOf(out: string): readonly { event: string; [field: string]: unknown }[] {
  return out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { event: string });
}

test("a change is staged, planned, committed by its hash and watched", async () => {
  const plan = await run("plan --join 127.0.0.1:7404 --weight 127.0.0.1:7401=2");
  expect([plan.code, plan.err]).toEqual([0, ""]);
  expect(plan.out).toMatchSnapshot("plan");
  const last = plan.out.trimEnd().split("\n").at(-1) ?? "";
  expect(last).toMatch(/^dynaring commit [0-9a-f]{12}$/);

  expect((await run("topology")).out).toMatchSnapshot("topology");
  const commit = await run(last.replace("dynaring ", ""));
  expect([commit.code, commit.err]).toEqual([0, ""]);
  expect(commit.out).toMatchSnapshot("progress");
  expect(admin.versions.map(({ counter, phase }) => [counter, phase])).toEqual([[4, "current"]]);
});

test.each([
  ["plan --join a --join b", ["join a", "join b"]],
  ["plan --leave a --remove b --replace c=d", ["remove b", "replace c by d", "leave a"]],
  ["plan --move 127.0.0.1:7401=-5,7", ["move 127.0.0.1:7401 to -5, 7"]],
  ["plan --weight a=0.5 --num-tokens a=16", ["weight 0.5 for a", "16 tokens for a"]],
  [
    "plan --dc a=dc2 --rack b=r2 --rack a=r1",
    ["place a in datacenter dc2, rack r1", "place b in rack r2"],
  ],
  ["plan --double a,b,c", ["double the ring with a, b, c"]],
  [
    "plan --replication k=3 --replication l=dc1:3,dc2:2 --replication m=SimpleStrategy,2",
    [
      "replication of k: SimpleStrategy {replication_factor=3}",
      "replication of l: NetworkTopologyStrategy {dc1=3, dc2=2}",
      "replication of m: SimpleStrategy {replication_factor=2}",
    ],
  ],
])("%s stages what it says", async (line, changes) => {
  const { code, out } = await run(line);
  expect(code).toBe(0);
  expect(out).toContain(`Changes:\n${changes.map((text) => `  ${text}\n`).join("")}\n`);
});

test("plan without flags shows what is staged, and unstage forgets it", async () => {
  expect(await run("plan")).toMatchObject({ code: 3, out: "" });
  admin.staged = [{ kind: "leave", member: "a" }];
  expect((await run("plan")).out).toContain("  leave a\n");
  expect((await run("unstage")).code).toBe(0);
  expect(admin.staged).toEqual([]);
});

test("the commands that plan tells to type ask the same member", async () => {
  const { out } = await run(`plan --leave a --url ${url}`);
  expect(out).toContain(`dynaring commit feedfacecafe --url ${url}\n`);
});

test("what plan has staged is staged still when the plan is refused, and it says so", async () => {
  const detail = { code: "CHANGE_REFUSED", change: "leave a", reason: "it is the last" } as const;
  admin.topologyFailure = new KvError(detail);
  const { code, err } = await run("plan --leave a");
  expect([code, err]).toEqual([
    3,
    "dynaring: leave a is not possible: it is the last; 'dynaring unstage' forgets what is staged\n",
  ]);
});

test("a plan that was refused before it was staged gives no hint about what is staged", async () => {
  const { code, err } = await run("plan --weight a=1001");
  expect([code, admin.staged]).toEqual([3, []]);
  expect(err).toMatch(/expected at most 1000\n$/);
});

test.each([
  ["join --yes", { kind: "join", member: SELF }],
  ["join 127.0.0.1:7404 --tokens=-5,7 --yes", { kind: "join", tokens: ["-5", "7"] }],
  ["decommission --yes", { kind: "leave", member: SELF }],
  ["decommission 127.0.0.1:7402 -y", { kind: "leave", member: "127.0.0.1:7402" }],
  ["removenode a --yes", { kind: "remove", member: "a" }],
  ["assassinate a --yes", { kind: "assassinate", member: "a" }],
  ["move -5 7 --yes", { kind: "move", member: SELF, tokens: ["-5", "7"] }],
  ["move 7 --member a --yes", { kind: "move", member: "a", tokens: ["7"] }],
  ["replace a b --yes", { kind: "replace", member: "a", by: "b" }],
  ["weight a 1.5 --yes", { kind: "weight", member: "a", weight: 1.5 }],
  ["num-tokens a 16 --yes", { kind: "num-tokens", member: "a", numTokens: 16 }],
  ["place a --rack r9 --yes", { kind: "place", member: "a", rack: "r9" }],
  ["double a b --yes", { kind: "double", members: ["a", "b"] }],
  ["double a,b c --yes", { kind: "double", members: ["a", "b", "c"] }],
  [
    "alter-keyspace k --replication dc1:2 --yes",
    {
      kind: "replication",
      keyspace: "k",
      replication: { class: "NetworkTopologyStrategy", options: { dc1: "2" } },
    },
  ],
])("%s commits one change and watches it", async (line, change) => {
  const { code, out } = await run(`${line} --json`);
  expect(code).toBe(0);
  const events = eventsOf(out);
  const kinds = new Set(events.map(({ event }) => event));
  expect([...kinds]).toEqual(["planned", "committed", "progress", "finished"]);
  expect(events[0]).toMatchObject({ plan: { changes: [change] } });
});

test("a shorthand asks, and shows its progress once it may", async () => {
  admin.members = [FAKE_MEMBERS[0]!];
  const { code, out } = await run("decommission --no-wait", { answer: "y\n" });
  expect(code).toBe(0);
  expect(out).toContain("Commit this plan? [y/N] committed layout version 4");
});

test.each(["n\n", "\n", "", "maybe\n"])("the answer %j changes nothing", async (answer) => {
  const { code, err } = await run("decommission", { answer });
  expect([code, err]).toEqual([5, "dynaring: nothing was changed\n"]);
  expect([admin.staged, admin.versions.length]).toEqual([[], 1]);
});

test("assassinate tells its danger and wants the whole word", async () => {
  const refused = await run("assassinate a", { answer: "y\n" });
  expect([refused.code, refused.err.split("\n")[0]]).toEqual([
    5,
    "DANGER: the member is taken out of the ring although the replicas that are left cannot be known",
  ]);
  expect((await run("assassinate a --no-wait", { answer: "yes\n" })).code).toBe(0);
});

test("assassinate spares members that live", async () => {
  const { code, out, err } = await run(`assassinate ${SELF} --yes`);
  expect([code, out]).toEqual([3, ""]);
  expect(err).toBe(
    `dynaring: assassinate of ${SELF} is not possible: member ${SELF} at ${FAKE_MEMBERS[0]!.address} ` +
      "is alive: use decommission, or end its process first\n",
  );
  expect(admin.staged).toEqual([]);
});

test("where nobody can answer, a shorthand does nothing without --yes", async () => {
  const { code, out, err } = await run("decommission");
  expect([code, out, admin.staged]).toEqual([1, "", []]);
  expect(err).toContain("--yes");
});

test("a shorthand does not commit what somebody else has staged", async () => {
  admin.staged = [{ kind: "leave", member: "a" }];
  const { code, err } = await run("weight b 2 --yes");
  expect([code, admin.staged.length, admin.versions.length]).toEqual([3, 1, 1]);
  expect(err).toContain("leave a");
});

test("a shorthand that is refused leaves nothing staged", async () => {
  const { code, err } = await run("weight a 5000 --yes");
  expect([code, admin.staged]).toEqual([3, []]);
  expect(err).toContain("expected at most 1000");
});

test("where nothing is staged people are told at which members something is", async () => {
  const other = new FakeAdmin();
  const elsewhere = serverOf(other);
  await elsewhere.start();
  const httpAddress = `127.0.0.1:${elsewhere.port}`;
  const [self, down] = admin.members as [MemberView, MemberView];
  const up = { ...down, address: "127.0.0.1:7409", isUp: true, httpAddress };
  admin.members = [self, { ...down, httpAddress: "127.0.0.1:1" }, up];
  reachable.push(`http://${httpAddress}`);
  const nothing =
    "dynaring: nothing is staged at this member: changes are planned and committed where they were staged; ";
  const silent = "; no answer from 127.0.0.1:7402\n";
  for (const line of ["plan", "commit feedface", "commit feedface --no-wait"]) {
    other.staged = [];
    const none = await run(line);
    expect(none).toEqual({
      code: 3,
      out: "",
      err: `${nothing}'dynaring plan' with changes stages them${silent}`,
    });
    other.staged = [{ kind: "leave", member: "127.0.0.1:7402" }];
    const { err } = await run(line);
    expect(err).toBe(
      `${nothing}127.0.0.1:7409 has staged something: 'dynaring plan --url http://${httpAddress}' shows it${silent}`,
    );
  }
  const { err } = await run("commit feedface --json");
  expect(JSON.parse(err)).toMatchObject({
    error: { code: "NOTHING_STAGED", holders: [{ address: "127.0.0.1:7409" }] },
  });
  await elsewhere.stop();
});

test("a stale plan changes nothing and is exit code 3", async () => {
  admin.staged = [{ kind: "leave", member: "a" }];
  const { code, err } = await run("commit abcdef --json");
  expect([code, admin.staged.length]).toEqual([3, 1]);
  expect(JSON.parse(err)).toMatchObject({ error: { code: "PLAN_STALE", present: FAKE_PLAN.hash } });
});

test("a change under way is reverted", async () => {
  admin.staged = [{ kind: "leave", member: "a" }];
  await run("commit feedface --no-wait");
  const { code, out } = await run("revert");
  expect(code).toBe(0);
  expect(out).toContain("committed layout version 5");
  expect(out).toContain("done: everybody reads from layout version 5\n");
});

test("a change that is stuck is exit code 4 and says why and what can be done", async () => {
  admin.stuckTask = { state: "failed", reason: "the disk is full" };
  const { code, out, err } = await run("decommission --yes");
  expect(code).toBe(4);
  expect(out).toContain("sync-12 failed,");
  expect(err).toBe(
    "dynaring: the change is stuck: sync-12 of 127.0.0.1:7401 failed (fetch 32 ranges of default: " +
      "the disk is full). The layout before it still serves, and 'dynaring revert' goes back to it\n",
  );
});

test("the end of the watching undoes nothing and says how to watch again", async () => {
  admin.staged = [{ kind: "leave", member: "a" }];
  admin.stuckTask = { state: "paused", reason: "by hand" };
  let looks = 0;
  const pause = (): Promise<void> => {
    if (++looks === 20) process.emit("SIGINT");
    return new Promise((resolve) => setImmediate(resolve));
  };
  const stopped = await run("commit feedface", { pause });
  expect([stopped.code, stopped.err]).toEqual([
    130,
    "dynaring: not watching any more; the change goes on. Watch it again with 'dynaring watch', " +
      "undo it with 'dynaring revert'\n",
  ]);
  admin.stuckTask = undefined;
  const again = await run("watch");
  expect([again.code, again.out.trimEnd().split("\n").at(-1)]).toEqual([
    0,
    "done: everybody reads from layout version 4",
  ]);
});

test("tasks are listed, shown, paused, resumed and cancelled", async () => {
  expect((await run("tasks")).out).toBe("No tasks.\n");
  const over = { ...fakeTask(), id: "sync-11", finishedAtMs: 1_700_000_009_000 };
  admin.taskList = [fakeTask(), { ...over, state: "failed", reason: "the disk is full" }];
  expect((await run("tasks")).out).toMatchSnapshot("list");
  expect((await run("tasks show sync-11")).out).toMatchSnapshot("one");
  expect((await run("tasks pause sync-12")).out).toContain("State     : paused\n");
  expect((await run("tasks resume sync-12")).out).toContain("State     : running\n");
  expect((await run("tasks cancel sync-12")).out).toContain("State     : cancelled\n");
  expect(await run("tasks pause sync-11")).toMatchObject({ code: 3 });
  expect(await run("tasks show nothing")).toMatchObject({ code: 3 });
});

test("netstats, cleanup and drain", async () => {
  admin.taskList = [fakeTask()];
  expect((await run("netstats")).out).toMatchSnapshot();
  expect((await run("cleanup")).out).toBe("dropped 1200 cells, 3 MiB\n");
  expect((await run("drain")).code).toBe(0);
  expect((await run("netstats")).out).toMatch(/^Mode: DRAINED\n/);
});

test("rebuild watches its task to the end", async () => {
  const ends = ["done", "failed"] as const;
  const codes: number[] = [];
  for (const state of ends) {
    const pause = (): Promise<void> => {
      admin.taskList = admin.taskList.map((task) => ({ ...task, state, reason: "because" }));
      return Promise.resolve();
    };
    codes.push((await run("rebuild dc2", { pause })).code);
  }
  expect(codes).toEqual([0, 4]);
  expect((await run("rebuild --no-wait")).out).toContain("State     : running\n");
});

test.each([
  "plan --move a",
  "plan --move a=",
  "plan --weight a=heavy",
  "plan --weight a=0",
  "plan --num-tokens a=1.5",
  "plan --replication k",
  "plan --replication k=dc1",
  "commit",
  "place a --yes",
  "place a --rack= --yes",
  "place a --dc= --rack r9 --yes",
  "alter-keyspace k --yes",
  "removenode force",
  "tasks explode",
  "tasks pause",
  "weight a",
])("'%s' is a usage error", async (line) => {
  const { code, out, err } = await run(line);
  expect([code, out, admin.staged]).toEqual([1, "", []]);
  expect(err).not.toBe("");
});

test("removenode status shows where the ring stands", async () => {
  expect((await run("removenode status")).out).toBe((await run("topology")).out);
});

test.each(
  OPERATION_COMMANDS.filter(
    ({ name }) => !["commit", "revert", "plan"].includes(name) && name !== "alter-keyspace",
  ).map(({ name, arguments: parameters = [] }) => [
    name,
    parameters.map(({ flags }) => (flags === "[action]" ? "list" : "1")).join(" "),
  ]),
)("%s --json prints JSON and nothing else", async (name, args) => {
  const needsYes = OPERATION_COMMANDS.find((command) => command.name === name)?.options?.some(
    ({ flags }) => flags.includes("--yes"),
  );
  const extra = name === "place" ? " --rack r" : "";
  const line = `${name}${args && ` ${args}`}${extra} --json${needsYes === true ? " --yes" : ""}`;
  const pause = (): Promise<void> => {
    admin.taskList = admin.taskList.map((task) => ({ ...task, state: "done" }));
    return Promise.resolve();
  };
  const { code, out, err } = await run(line, { pause });
  expect([code, err]).toEqual([0, ""]);
  const isEvents = OPERATION_COMMANDS.find((command) => command.name === name)?.printsEvents;
  expect(isEvents === true ? eventsOf(out).length > 0 : typeof JSON.parse(out)).toBeTruthy();
});
