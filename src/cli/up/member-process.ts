/**
 * One member of a local ring as a process of its own.
 *
 * It gets its own process group, so that Ctrl-C reaches only the parent, which then stops all members
 * in order. It holds a channel to the parent and stops by itself when the parent is gone. Its log goes
 * to a file and not through a pipe: a pipe without a reader would stop it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { plainLine } from "../logger.ts";
import type { MemberPlan } from "./ring-plan.ts";

const LAST_LINES = 5;

export class MemberProcess {
  readonly plan: MemberPlan;
  #child: ChildProcess | undefined;
  #ending: string | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(plan: MemberPlan) {
    this.plan = plan;
  }

  start(): void {
    const log = openSync(this.plan.logFile, "w");
    const main = fileURLToPath(new URL(`../main${extname(import.meta.url)}`, import.meta.url));
    const args = [...process.execArgv, main, "node", "--config", this.plan.configFile];
    const child = spawn(process.execPath, args, {
      detached: true,
      stdio: ["ignore", log, log, "ipc"],
      env: withoutOptions(process.env),
    });
    closeSync(log);
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once("error", (error) => {
        this.#ending ??= error.message;
        resolve();
      });
      child.once("exit", (code, signal) => {
        this.#ending ??= signal === null ? `exited with code ${code}` : `ended by ${signal}`;
        resolve();
      });
    });
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** How its process ended; undefined while it runs. */
  get ending(): string | undefined {
    return this.#ending;
  }

  /** Asks it to stop, and waits; kills it when it takes longer. */
  async stop(timeoutMs: number): Promise<void> {
    if (this.#child === undefined || this.#ending !== undefined) return;
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.kill(), timeoutMs);
    await this.#ended;
    clearTimeout(timer);
  }

  kill(): void {
    this.#child?.kill("SIGKILL");
  }

  /** The end of its log, in plain lines. */
  lastLines(): readonly string[] {
    const lines = readFileSync(this.plan.logFile, "utf8").trimEnd().split("\n");
    return lines
      .slice(-LAST_LINES)
      .map((line) => (isJson(line) ? plainLine(line).trimEnd() : line));
  }
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

/** Variables that are meant for one member would override the configuration of all of them. */
function withoutOptions(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("DYNARING_")));
}
