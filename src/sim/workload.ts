/**
 * Clients: each asks a member that serves for something, waits for the answer, thinks, and asks
 * again. Everything they send and hear goes into the history.
 *
 * Keys are few and partly hot, so that operations meet; levels are mixed, because what holds between
 * a write and a read depends on both.
 */
import type { KvError } from "../model/kv-error.ts";
import type { Receipt, VersionedValue } from "../model/kv-api.ts";
import type { Version } from "../model/version.ts";
import { must } from "../util/assert.ts";
import { type Uint32Source, randomChoice, randomFraction } from "../util/random.ts";
import type { Instant, Operation, ReadRecord, Violation } from "./history.ts";
import type { Recorder } from "./recorder.ts";
import type { Process, SimulatedMachine } from "./simulated-machine.ts";
import type { SimulationOptions } from "./swarm.ts";
import { identify, makeValue } from "./values.ts";
import type { VirtualTime } from "./virtual-clock.ts";
import { type Wish, bytesOf, drawWish, splitKey, textOf, wholeRead } from "./wishes.ts";

/** What a request may need beyond its own timeouts: ticks, late timers, one pause of the process. */
const SLACK_MS = 600;
/** A client that finds no member to ask looks again after this. */
const RETRY_MS = 25;
/** In a healthy ring nobody waits longer for an answer. */
export const ANSWERS_WITHIN_MS = 20_000;
/**
 * In a healthy ring a client that asks again has what it wants within this time. The first attempt
 * may meet links whose other end has long gone, and find that out only then.
 */
const SUCCEEDS_WITHIN_MS = 5000;

export interface WorkloadDeps {
  readonly time: VirtualTime;
  readonly rng: Uint32Source;
  readonly recorder: Recorder;
  /** Those that are there at present. */
  readonly machines: readonly SimulatedMachine[];
  /** Index of the machine that has, or had last, an address; -1 if none had. */
  readonly indexOf: (address: string) => number;
}

/** An operation that waits for its answer. */
interface Waiting {
  readonly process: Process;
  /** There will be no answer; `isCut` when a crash is the reason. */
  readonly cut: (isCut: boolean) => void;
}

export class Workload {
  readonly #deps: WorkloadDeps;
  readonly #options: SimulationOptions;
  readonly #waiting = new Set<Waiting>();
  #lastId = 0;
  #remaining = 0;
  #activeClients = 0;

  constructor(deps: WorkloadDeps, options: SimulationOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** All clients have done what they wanted. */
  get isDone(): boolean {
    return this.#activeClients === 0;
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  start(): void {
    const { clients, operations } = this.#options.workload;
    this.#remaining = operations;
    this.#activeClients = clients;
    for (let client = 0; client < clients; client++) this.#think();
  }

  /** Clients finish what they do and ask for nothing more. */
  end(): void {
    this.#remaining = 0;
  }

  /** A process has crashed: its clients see their connections break. */
  crashed(process: Process): void {
    this.#cut(process, true);
  }

  /** A process has ended in good order: it owes no answers. */
  stopped(process: Process): void {
    this.#cut(process, false);
  }

  /** Nobody will answer any more: what still waits is recorded as never answered. */
  giveUp(): void {
    for (const waiting of this.#waiting) waiting.cut(waiting.process.clock.isDead);
  }

  #cut(process: Process, isCut: boolean): void {
    for (const waiting of this.#waiting) if (waiting.process === process) waiting.cut(isCut);
  }

  /**
   * Reads every key at level ALL, outside of the workload, each from the machine chosen for it;
   * tells which of them a healthy ring does not give. Nobody is asked for anything after that.
   */
  async readEachAtAll(
    keys: readonly string[],
    machineOf: () => SimulatedMachine,
    onUnread: (violation: Violation) => void,
  ): Promise<void> {
    for (const key of keys) {
      const error = await this.#readAtAll(key, machineOf);
      if (error === undefined) continue;
      const message = `${key} cannot be read at ALL in a healthy ring: ${error}`;
      onUnread({ invariant: "I26", message });
    }
    this.giveUp();
  }

  /** Asks until it is answered; undefined, or why it never was. */
  async #readAtAll(key: string, machineOf: () => SimulatedMachine): Promise<string | undefined> {
    const { time } = this.#deps;
    const deadlineMs = time.nowMs + SUCCEEDS_WITHIN_MS;
    for (;;) {
      let answer: { error: string | undefined } | undefined;
      this.#ask(machineOf(), wholeRead(key), (error) => (answer = { error }));
      await time.runUntil(() => answer !== undefined, time.nowMs + ANSWERS_WITHIN_MS);
      if (answer === undefined) return "no answer";
      if (answer.error === undefined || time.nowMs >= deadlineMs) return answer.error;
      await time.runFor(RETRY_MS);
    }
  }

  /** All keys of a keyspace, page by page at level QUORUM, as `keyspace/key`. Rejects with KvError. */
  async scanAll(machine: SimulatedMachine, keyspace: string): Promise<string[]> {
    const { kv } = must(machine.process, "a member that serves has a process");
    const keys: string[] = [];
    let cursor = "0";
    do {
      const page = await kv.scan({ keyspace, cursor, limit: 5, consistency: "QUORUM" });
      for (const key of page.keys) keys.push(`${keyspace}/${textOf(key)}`);
      cursor = page.cursor;
    } while (cursor !== "0");
    return keys;
  }

  #think(): void {
    const { time, rng } = this.#deps;
    const { thinkMeanMs } = this.#options.workload;
    time.schedule(time.nowMs + 2 * thinkMeanMs * randomFraction(rng), () => this.#next());
  }

  #next(): void {
    if (this.#remaining <= 0) {
      this.#activeClients--;
      return;
    }
    const { time, rng, machines } = this.#deps;
    const machine = randomChoice(
      rng,
      machines.filter(({ isReady, isFrozen }) => isReady && !isFrozen),
    );
    if (machine === undefined) {
      time.schedule(time.nowMs + RETRY_MS, () => this.#next());
      return;
    }
    this.#remaining--;
    this.#ask(machine, drawWish(rng, this.#options), () => this.#think());
  }

  #ask(machine: SimulatedMachine, wish: Wish, done: (error: string | undefined) => void): void {
    const process = must(machine.process, "a member that serves has a process");
    const { recorder, machines } = this.#deps;
    const asked: Asked = {
      id: ++this.#lastId,
      wish,
      machine,
      process,
      indexes: new Map(machines.map(({ address, index }) => [address, index])),
      invoked: recorder.instant(),
      frozenMs: process.clock.frozenMs,
      expiresAtMs: wish.ttlMs > 0 ? Math.floor(process.kv.nowMs()) + wish.ttlMs : 0,
    };
    const waiting: Waiting = { process, cut: (isCut) => settle({ isCut }) };
    // Answers may come twice when a bug is there; the first one counts, as for a real client.
    const settle = (answer: Answer): void => {
      if (!this.#waiting.delete(waiting)) return;
      recorder.operation(this.#recordOf(asked, answer));
      done(answer.error?.code);
    };
    this.#waiting.add(waiting);
    if (wish.kind === "get") this.#read(asked, settle);
    else this.#write(asked, settle);
  }

  #read({ wish, process }: Asked, answered: (answer: Answer) => void): void {
    const [keyspace, key] = splitKey(wish.key);
    const request = { keyspace, key: bytesOf(key), consistency: wish.level };
    process.kv.read(request, {
      read: (found, receipt) => answered({ receipt: copied(receipt), found: foundOf(found) }),
      failed: (error) => answered({ error }),
    });
  }

  #write({ id, wish, process, expiresAtMs }: Asked, answered: (answer: Answer) => void): void {
    const [keyspace, name] = splitKey(wish.key);
    const key = bytesOf(name);
    const value = wish.kind === "put" ? makeValue(id, wish.valueBytes) : undefined;
    process.kv.write(
      {
        keyspace,
        key,
        value,
        consistency: wish.level,
        durability: wish.durability,
        expiresAtMs: expiresAtMs === 0 ? undefined : expiresAtMs,
      },
      {
        written: (receipt) => answered({ receipt: copied(receipt) }),
        failed: (error) => answered({ error }),
      },
    );
    // Bytes of a request are borrowed until the call returns, not longer.
    key.fill(0xdb);
    value?.fill(0xdb);
  }

  #recordOf(asked: Asked, answer: Answer): Operation {
    const { id, wish, machine, process, indexes, invoked, frozenMs, expiresAtMs } = asked;
    const { error, receipt, isCut } = answer;
    const indexOf = (address: string): number =>
      indexes.get(address) ?? this.#deps.indexOf(address);
    const common = {
      id,
      key: wish.key,
      member: machine.index,
      level: wish.level,
      invoked,
      completed: isCut === undefined ? this.#deps.recorder.instant() : undefined,
      waitedMs: this.#deps.time.nowMs - invoked.atMs - (process.clock.frozenMs - frozenMs),
      limitMs: this.#limitMs,
      isCut: isCut === true,
      error: error?.code,
    };
    if (wish.kind === "get") {
      return {
        ...common,
        kind: "get",
        outcome: receipt === undefined ? "failed" : "ok",
        seen: receipt?.version,
        found: answer.found,
        wallMs: process.clock.wallMs(),
      };
    }
    return {
      ...common,
      kind: wish.kind,
      durability: wish.durability,
      expiresAtMs,
      outcome: receipt === undefined ? (error?.outcome ?? "unknown") : "ok",
      version: receipt?.version,
      answeredBy: receipt?.answeredBy.map(indexOf) ?? [],
    };
  }

  get #limitMs(): number {
    const { requestTimeoutMs, speculativeRetryMs, timerLatenessMs } = this.#options;
    return requestTimeoutMs + speculativeRetryMs + SLACK_MS + 100 * timerLatenessMs;
  }
}

/** One operation on its way. */
interface Asked {
  readonly id: number;
  readonly wish: Wish;
  readonly machine: SimulatedMachine;
  readonly process: Process;
  /** The machines by their addresses: a receipt may still come when another one has the address. */
  readonly indexes: ReadonlyMap<string, number>;
  readonly invoked: Instant;
  /** How long the process had been frozen by then. */
  readonly frozenMs: number;
  readonly expiresAtMs: number;
}

interface Answer {
  readonly receipt?: Receipt;
  readonly found?: ReadRecord["found"];
  readonly error?: KvError;
  /** Set when there was no answer: whether a crash is the reason. */
  readonly isCut?: boolean;
}

/** Receipts are live: what counts is what they say now. */
function copied({ version, answeredBy }: Receipt): Receipt {
  return { version: plain(version), answeredBy: [...answeredBy] };
}

function plain(version: Version | undefined): Version | undefined {
  return version && { timestamp: version.timestamp, writer: version.writer };
}

function foundOf(found: VersionedValue | undefined): ReadRecord["found"] {
  if (found === undefined) return undefined;
  const { timestamp, writer } = found.version;
  return {
    identity: identify(found.value),
    version: { timestamp, writer },
    expiresAtMs: found.expiresAtMs,
  };
}
