/** A session without a socket, over the fake store, with turns of the event loop run by hand. */
import type { AdminApi } from "../model/admin-api.ts";
import { SeededRng, shuffled } from "../util/random.ts";
import { ClientState } from "./client-state.ts";
import { createCommandTable } from "./commands/table.ts";
import {
  type Client,
  createRespStats,
  DEFAULT_RESP_SERVER_LIMITS,
  type RespServerLimits,
} from "./context.ts";
import { FakeKv, fakeAdmin } from "./fakes.suite.ts";
import { Session } from "./session.ts";
import { TurnEnd } from "./turn-end.ts";

/** A reply as tests write it: "+status", "-error", numbers, texts, null, arrays, maps as objects. */
export type Reply = number | string | null | boolean | Reply[] | { readonly [key: string]: Reply };

export class SessionHarness {
  readonly kv: FakeKv = new FakeKv();
  /** May be changed by tests. */
  readonly admin: AdminApi = { ...fakeAdmin(() => this.kv.keyspaces) };
  readonly session: Session;
  readonly logged: string[] = [];
  isReadingPaused = false;
  isEnded = false;
  isDestroyed = false;
  /** What the outlet says that it could not send. */
  backlogBytes = 0;
  writes = 0;
  #sent: Uint8Array[] = [];
  #deferred: (() => void)[] = [];
  #answers: (() => void)[] = [];

  constructor(limits: Partial<RespServerLimits> = {}) {
    const note = (event: string): void => {
      this.logged.push(event);
    };
    const clock = {
      wallMs: () => this.kv.clockMs,
      monotonicMs: () => this.kv.clockMs,
      setTimer: () => ({ cancel: () => {} }),
      defer: (callback: () => void) => void this.#deferred.push(callback),
    };
    const clients = (): Iterable<Client> => [this.session];
    this.session = new Session({
      server: {
        kv: this.kv,
        admin: this.admin,
        clock,
        logger: { debug: note, info: note, warn: note, error: note },
        stats: createRespStats(),
        limits: { ...DEFAULT_RESP_SERVER_LIMITS, ...limits },
        address: () => ({ host: "127.0.0.1", port: 6379 }),
        clients,
      },
      table: createCommandTable(),
      turnEnd: new TurnEnd({ clock }),
      outlet: {
        write: (bytes) => {
          this.writes++;
          this.#sent.push(bytes);
          return this.backlogBytes;
        },
        pauseReading: () => {
          this.isReadingPaused = true;
        },
        resumeReading: () => {
          this.isReadingPaused = false;
        },
        end: () => {
          this.isEnded = true;
        },
        destroy: () => {
          this.isDestroyed = true;
        },
      },
      state: new ClientState(7, { remote: "127.0.0.1:50000", local: "127.0.0.1:6379" }, 0),
    });
  }

  /** From here on the store answers only when the test says so. */
  holdAnswers(): void {
    this.kv.answer = (run) => void this.#answers.push(run);
  }

  get heldAnswers(): number {
    return this.#answers.length;
  }

  /** Gives the answers that are held, those that come meanwhile excluded, then ends the turn. */
  giveAnswers(seed?: number): void {
    const due = this.#answers;
    this.#answers = [];
    const order = seed === undefined ? due : shuffled(new SeededRng(seed), due);
    for (const run of order) run();
    this.endTurn();
  }

  endTurn(): void {
    while (this.#deferred.length > 0) {
      const due = this.#deferred;
      this.#deferred = [];
      for (const run of due) run();
    }
  }

  /** Lets promises settle, then ends the turn. */
  async settle(): Promise<void> {
    for (let round = 0; round < 10; round++) {
      await Promise.resolve();
      this.endTurn();
    }
  }

  send(...commands: readonly string[]): void {
    this.session.push(Buffer.concat(commands.map(encodeWords)));
  }

  /** The bytes that were sent since the last look. */
  sentText(): string {
    const text = Buffer.concat(this.#sent).toString("latin1");
    this.#sent = [];
    return text;
  }

  /** The replies that were sent since the last look. */
  replies(): Reply[] {
    return decodeReplies(Buffer.from(this.sentText(), "latin1"));
  }

  /** Runs one command whose answer comes at once. */
  run(command: string): Reply {
    this.send(command);
    const [reply] = this.replies();
    return reply as Reply;
  }

  /** Runs one command that waits for promises. */
  async runLate(command: string): Promise<Reply> {
    this.send(command);
    await this.settle();
    return this.replies()[0] as Reply;
  }

  /** Runs commands that wait for promises, one after the other. */
  async runAll(...commands: readonly string[]): Promise<Reply[]> {
    const replies: Reply[] = [];
    for (const command of commands) replies.push(await this.runLate(command));
    return replies;
  }
}

/** A command of words divided by single spaces, as an array of bulk strings. */
export function encodeWords(command: string): Buffer {
  return encodeCommand(command.split(" ").map((word) => Buffer.from(word, "latin1")));
}

export function encodeCommand(words: readonly Uint8Array[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    parts.push(Buffer.from(`$${word.length}\r\n`), word, Buffer.from("\r\n"));
  }
  return Buffer.concat(parts);
}

/** A second, simple reader of RESP2 and RESP3 replies. */
export function decodeReplies(bytes: Buffer): Reply[] {
  let position = 0;
  const line = (): string => {
    const end = bytes.indexOf("\r\n", position);
    if (end < 0) throw new Error(`no line end after ${position}`);
    const text = bytes.toString("latin1", position, end);
    position = end + 2;
    return text;
  };
  const blob = (size: number): string => {
    const text = bytes.toString("latin1", position, position + size);
    if (bytes.toString("latin1", position + size, position + size + 2) !== "\r\n") {
      throw new Error("a blob does not end with CRLF");
    }
    position += size + 2;
    return text;
  };
  const items = (count: number): Reply[] => Array.from({ length: count }, () => one());
  const one = (): Reply => {
    const head = line();
    const rest = head.slice(1);
    switch (head[0]) {
      case "+":
      case "-":
        return head;
      case ":":
        return Number(rest);
      case ",":
        return Number(rest);
      case "#":
        return rest === "t";
      case "_":
        return null;
      case "$":
        return rest === "-1" ? null : blob(Number(rest));
      case "=":
        return blob(Number(rest));
      case "*":
        return rest === "-1" ? null : items(Number(rest));
      case "~":
      case ">":
        return items(Number(rest));
      case "%": {
        const entries = Array.from(
          { length: Number(rest) },
          () => [one() as string, one()] as const,
        );
        return Object.fromEntries(entries);
      }
      default:
        throw new Error(`unknown type: ${head}`);
    }
  };
  const replies: Reply[] = [];
  while (position < bytes.length) replies.push(one());
  return replies;
}
