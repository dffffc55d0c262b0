/** `dynaring up` as a user runs it: real processes, sockets and files. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;
const DEADLINE_MS = 30_000;
/** Away from the default, so that a ring of the developer's own does not disturb. */
const BASE_PORT = 26_400;
const VALUE_URL = `http://127.0.0.1:${BASE_PORT + 2001}/v1/kv/default/key`;

interface UpEvent {
  readonly event: string;
  readonly members?: readonly {
    readonly number: number;
    readonly pid: number;
    readonly state: string;
  }[];
}

class Up {
  readonly #child: ChildProcess;
  readonly events: UpEvent[] = [];
  errors = "";
  readonly exitCode: Promise<number | null>;

  constructor(...args: readonly string[]) {
    const port = ["--base-port", String(BASE_PORT)];
    this.#child = spawn(
      process.execPath,
      ["--import", "tsx", MAIN, "up", "--json", ...port, ...args],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    let rest = "";
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      this.events.push(...lines.map((line) => JSON.parse(line) as UpEvent));
    });
    this.#child.stderr?.on("data", (chunk: Buffer) => (this.errors += chunk.toString()));
    this.exitCode = new Promise((resolve) => this.#child.once("exit", resolve));
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** The last states that it told, by member. */
  get states(): readonly string[] {
    return this.#lastMembers().map(({ state }) => state);
  }

  get pids(): readonly number[] {
    return this.#lastMembers().map(({ pid }) => pid);
  }

  #lastMembers(): NonNullable<UpEvent["members"]> {
    return this.events.findLast(({ event }) => event === "members")?.members ?? [];
  }
}

let directory: string;
const started: Up[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "dynaring-test-"));
});

afterEach(async () => {
  for (const up of started.splice(0)) {
    up.signal("SIGTERM");
    await up.exitCode;
  }
  rmSync(directory, { recursive: true });
});

function up(...args: readonly string[]): Up {
  const made = new Up("--data-dir", directory, ...args);
  started.push(made);
  return made;
}

/** Waits until something is so; fails after the deadline with what was seen last. */
async function until(what: string, isSo: () => boolean, context: Up): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  while (!isSo()) {
    if (performance.now() > deadlineMs) {
      throw new Error(`${what}: ${JSON.stringify(context.events)} ${context.errors}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test("a ring starts, outlives a member, stops, finds its data again, and dies with its parent", async () => {
  const first = up("--nodes", "3");
  await until("all up", () => first.states.join() === "UN,UN,UN", first);
  const written = await fetch(VALUE_URL, { method: "PUT", body: "persisted" });
  expect(written.status).toBe(204);

  process.kill(first.pids[2]!, "SIGKILL");
  await until("member 3 down", () => first.states.join() === "UN,UN,DN", first);
  expect(await (await fetch(VALUE_URL)).text()).toBe("persisted");

  first.signal("SIGINT");
  expect(await first.exitCode).toBe(0);
  expect(first.events.at(-1)).toEqual({ event: "stopped" });
  await expect(fetch(VALUE_URL)).rejects.toThrow("fetch failed");

  const other = up("--nodes", "2");
  expect(await other.exitCode).toBe(1);
  expect(other.errors).toContain("holds a ring of 3 members");

  const second = up();
  await until("all up again", () => second.states.join() === "UN,UN,UN", second);
  expect(await (await fetch(VALUE_URL)).text()).toBe("persisted");

  const third = up();
  expect(await third.exitCode).toBe(4);
  expect(third.errors).toContain(`port ${BASE_PORT + 1}`);

  const orphans = second.pids;
  second.signal("SIGKILL");
  await until("no member outlives its parent", () => !orphans.some(isAlive), second);
}, 90_000);
