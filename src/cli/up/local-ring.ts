/** A whole ring on this machine: its processes, from start to stop, and what they say of themselves. */
import type { StatusJson } from "../../http/views.ts";
import { MemberClient } from "../client.ts";
import { stateLetters } from "../commands/status.ts";
import { CliError } from "../exit-codes.ts";
import { MemberProcess } from "./member-process.ts";
import { requireFreePorts } from "./ports.ts";
import type { MemberPlan } from "./ring-plan.ts";

export const KEYSPACE = "default";

const READY_TIMEOUT_MS = 60_000;
const POLL_INTERVAL_MS = 100;
const STOP_TIMEOUT_MS = 20_000;
const OPERATIONS_PATTERN = /^dynaring_operations_total\{operation="(?:reads|writes)"\} (\d+)$/gm;

/** One line of the live table. */
export interface MemberRow {
  readonly plan: MemberPlan;
  readonly pid: number | undefined;
  /** `UN` and so on, as nodetool writes it. */
  readonly state: string;
  readonly loadBytes: number | undefined;
  /** Share of the data of keyspace `default` that it holds, of 1. */
  readonly ownership: number | undefined;
  /** Reads and writes that it has coordinated since it started. */
  readonly operations: number | undefined;
  /** How its process ended, if it did. A member that is up all the same was restarted by hand. */
  readonly ending: string | undefined;
  /** The end of its log, if its process ended. */
  readonly lastLines: readonly string[];
}

export class LocalRing {
  readonly #members: readonly {
    readonly process: MemberProcess;
    readonly client: MemberClient;
  }[];

  constructor(fetch: typeof globalThis.fetch, plans: readonly MemberPlan[]) {
    this.#members = plans.map((plan) => ({
      process: new MemberProcess(plan),
      client: new MemberClient(fetch, plan.httpUrl),
    }));
  }

  /** Resolves when every member serves and the keyspace exists; else rejects with a CliError. */
  async start(): Promise<void> {
    await requireFreePorts(this.#members.map(({ process }) => process.plan));
    for (const { process } of this.#members) process.start();
    await this.#ready();
    await this.#ensureKeyspace();
  }

  /** Asks all members to stop and waits for them. */
  async stop(): Promise<void> {
    await Promise.all(this.#members.map(({ process }) => process.stop(STOP_TIMEOUT_MS)));
  }

  kill(): void {
    for (const { process } of this.#members) process.kill();
  }

  /** How the members are, by their processes and by what one that answers says of all. */
  async rows(): Promise<readonly MemberRow[]> {
    const status = await this.#status();
    return Promise.all(
      this.#members.map(async ({ process, client }) => {
        const address = `127.0.0.1:${process.plan.internodePort}`;
        const seen = status?.members.find((member) => member.address === address);
        const { ending, plan, pid } = process;
        return {
          plan,
          pid,
          state: seen === undefined ? "?N" : stateLetters(seen),
          loadBytes: seen?.loadBytes,
          ownership: seen && status?.effectiveOwnership?.[seen.id],
          operations: seen?.isUp === true ? await operationsOf(client) : undefined,
          ending,
          lastLines: ending === undefined ? [] : process.lastLines(),
        };
      }),
    );
  }

  /** What the first member that answers knows. */
  async #status(): Promise<StatusJson | undefined> {
    for (const { client } of this.#members) {
      const status = await answerOf(client.status(KEYSPACE));
      if (status !== undefined) return status;
    }
    return undefined;
  }

  async #ready(): Promise<void> {
    const deadlineMs = performance.now() + READY_TIMEOUT_MS;
    let waiting = this.#members;
    for (;;) {
      const dead = this.#members.find(({ process }) => process.ending !== undefined);
      if (dead !== undefined) throw diedAtStart(dead.process);
      const answers = await Promise.all(waiting.map(({ client }) => client.readiness()));
      const [obstacle] = answers.filter(({ isReady }) => !isReady);
      if (obstacle === undefined) return;
      waiting = waiting.filter((_member, index) => answers[index]?.isReady !== true);
      if (performance.now() > deadlineMs) {
        const files = waiting.map(({ process }) => process.plan.logFile).join(", ");
        const seconds = READY_TIMEOUT_MS / 1000;
        const problem = `not all members were ready after ${seconds} s: ${obstacle.reason}`;
        throw new CliError("failed", `${problem}; logs: ${files}`);
      }
      await pause(POLL_INTERVAL_MS);
    }
  }

  async #ensureKeyspace(): Promise<void> {
    const [first] = this.#members;
    if (first === undefined) return;
    const keyspaces = await first.client.keyspaces();
    if (keyspaces.some(({ name }) => name === KEYSPACE)) return;
    await first.client.createKeyspace({
      name: KEYSPACE,
      replication: {
        class: "NetworkTopologyStrategy",
        options: { dc1: String(Math.min(3, this.#members.length)) },
      },
    });
  }
}

function diedAtStart(process: MemberProcess): CliError {
  const { number, logFile } = process.plan;
  const lines = process.lastLines().map((line) => `\n  ${line}`);
  return new CliError(
    "failed",
    `member ${number} could not start (${process.ending}); the end of ${logFile}:${lines.join("")}`,
    { member: number },
  );
}

/** The sum of reads and writes in a member's metrics; undefined if it does not answer. */
async function operationsOf(client: MemberClient): Promise<number | undefined> {
  const text = await answerOf(client.metrics());
  if (text === undefined) return undefined;
  let sum = 0;
  for (const [, value] of text.matchAll(OPERATIONS_PATTERN)) sum += Number(value);
  return sum;
}

/** What a member answers, or undefined if it does not. */
async function answerOf<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof CliError) return undefined;
    throw error;
  }
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
