/** A ring of real member processes on loopback, for tests and benchmarks. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./condition.ts";
import { freePorts } from "./ports.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const LOG_KEPT = 200;

/** Three replicas, QUORUM for reads and writes. */
export const QUORUMS = {
  replication: { class: "SimpleStrategy", options: { replication_factor: "3" } },
  readConsistency: "QUORUM",
  writeConsistency: "QUORUM",
};

export interface RingProcessesOptions {
  readonly members: number;
  /** Further flags of `dynaring node`. */
  readonly flags?: readonly string[];
  /** Keep everything in memory instead of in a temporary directory. */
  readonly isInMemory?: boolean;
}

export interface MemberProcess {
  readonly index: number;
  readonly respPort: number;
  readonly httpUrl: string;
  readonly internode: string;
  readonly log: string[];
  /** Flags of this member alone. */
  readonly flags: readonly string[];
  child: ChildProcess | undefined;
}

export interface CliRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class RingProcesses {
  readonly directory: string;
  readonly #options: RingProcessesOptions;
  readonly #members: MemberProcess[] = [];

  private constructor(options: RingProcessesOptions, ports: readonly number[]) {
    this.#options = options;
    this.directory = mkdtempSync(join(tmpdir(), "dynaring-ring-"));
    for (let member = 0; member < options.members; member++) {
      this.#prepare(ports.slice(member * 3, member * 3 + 3), []);
    }
  }

  static async start(options: RingProcessesOptions): Promise<RingProcesses> {
    const ring = new RingProcesses(options, await freePorts(options.members * 3));
    for (const member of ring.members) ring.spawn(member.index);
    for (const member of ring.members) await ring.ready(member.index);
    return ring;
  }

  /** A ring with the keyspace `default` at RF 3, QUORUM for reads and writes. */
  static async startWithQuorums(
    options: Partial<RingProcessesOptions> = {},
  ): Promise<RingProcesses> {
    const ring = await RingProcesses.start({ members: 3, ...options });
    await ring.createKeyspace({ name: "default", ...QUORUMS });
    return ring;
  }

  get members(): readonly MemberProcess[] {
    return this.#members;
  }

  member(index: number): MemberProcess {
    const member = this.#members[index];
    if (member === undefined) throw new RangeError(`there is no member ${index}`);
    return member;
  }

  /** Starts one more member without waiting for it; returns its index. */
  async add(flags: readonly string[] = []): Promise<number> {
    const { index } = this.#prepare(await freePorts(3), flags);
    this.spawn(index);
    return index;
  }

  #prepare(ports: readonly number[], flags: readonly string[]): MemberProcess {
    const [respPort = 0, httpPort, internodePort] = ports;
    const member: MemberProcess = {
      index: this.#members.length,
      respPort,
      httpUrl: `http://127.0.0.1:${httpPort}`,
      internode: `127.0.0.1:${internodePort}`,
      log: [],
      flags,
      child: undefined,
    };
    this.#members.push(member);
    return member;
  }

  /** @param more flags of this start alone */
  spawn(index: number, more: readonly string[] = []): void {
    const member = this.member(index);
    const [host, port] = member.internode.split(":");
    const flags = [
      ["--seeds", this.member(0).internode],
      ["--internode-host", host],
      ["--internode-port", port],
      ["--resp-host", "127.0.0.1"],
      ["--resp-port", String(member.respPort)],
      ["--http-host", "127.0.0.1"],
      ["--http-port", new URL(member.httpUrl).port],
    ];
    if (this.#options.isInMemory !== true) {
      flags.push(["--data-directory", join(this.directory, `member${index}`)]);
    }
    const given = [...(this.#options.flags ?? []), ...member.flags, ...more];
    const child = spawn(
      process.execPath,
      [MAIN, "node", "--json", ...flags.flat().map(String), ...given],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        member.log.push(...text.trimEnd().split("\n"));
        member.log.splice(0, member.log.length - LOG_KEPT);
      });
    }
    member.child = child;
  }

  async ready(index: number): Promise<void> {
    const member = this.member(index);
    await until(`member ${index} is ready`, async () => {
      this.requireRunning(index);
      const answer = await fetch(`${member.httpUrl}/readyz`).catch(() => undefined);
      return answer?.ok === true;
    });
  }

  signal(index: number, signal: NodeJS.Signals): void {
    this.member(index).child?.kill(signal);
  }

  /** Ends a member and waits until it is gone. */
  async end(index: number, signal: NodeJS.Signals): Promise<void> {
    const { child } = this.member(index);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }

  /** Throws with its log if its process has ended. */
  requireRunning(index: number): void {
    if (this.isRunning(index)) return;
    throw new Error(`member ${index} ended:\n${this.member(index).log.join("\n")}`);
  }

  /** True while its process runs. */
  isRunning(index: number): boolean {
    const { child } = this.member(index);
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** Runs a command of `dynaring` that asks this member. */
  cli(index: number, ...command: readonly string[]): Promise<CliRun> {
    const { httpUrl } = this.member(index);
    return new Promise((resolve) => {
      const parameters = [MAIN, ...command, "--url", httpUrl];
      execFile(process.execPath, parameters, (error, stdout, stderr) => {
        const exitCode = error === null ? 0 : Number(error.code);
        resolve({ exitCode, stdout, stderr });
      });
    });
  }

  /** Creates a keyspace through the first member's HTTP interface. */
  async createKeyspace(definition: Readonly<Record<string, unknown>>): Promise<void> {
    const response = await fetch(`${this.member(0).httpUrl}/v1/keyspaces`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(definition),
    });
    if (!response.ok) throw new Error(`creating a keyspace failed: ${await response.text()}`);
  }

  async stop(): Promise<void> {
    for (const { index } of this.members) {
      this.signal(index, "SIGCONT");
      await this.end(index, "SIGTERM");
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}
