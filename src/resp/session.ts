/**
 * One connection without its socket: bytes in, commands started, replies out in order.
 *
 * A command starts when it is parsed, without waiting for those before it, unless they touch the same
 * keys (key-order.ts), the queue of unanswered commands is full or too much output waits. Then it is
 * refused: the parser keeps it, reading pauses, and both go on when an answer makes room. Replies to
 * what a read brought are sent with one write at its end; replies that come later with one write at
 * the end of their turn of the event loop.
 */
import type { RespCommand } from "../codec/resp-command.ts";
import { type RespCommandSink, RespParser } from "../codec/resp-parser.ts";
import type { RespWriter } from "../codec/resp-writer.ts";
import type { Consistency } from "../model/consistency.ts";
import { Call, type CallHost } from "./call.ts";
import type { ClientState } from "./client-state.ts";
import type { CommandSpec } from "./commands/spec.ts";
import type { CommandTable } from "./commands/command-table.ts";
import type { ServerContext } from "./context.ts";
import { unknownLevel } from "./errors.ts";
import { KeyOrder } from "./key-order.ts";
import { parseLevel } from "./levels.ts";
import { KvError } from "../model/kv-error.ts";
import { must } from "../util/assert.ts";
import { ReplyQueue } from "./reply-queue.ts";
import type { TurnEnd, TurnEndTask } from "./turn-end.ts";

/** The socket as a session sees it. */
export interface Outlet {
  /**
   * Sends bytes; the number of bytes that wait in it afterwards. Unless that is 0, the outlet tells
   * when it has drained.
   */
  write(bytes: Uint8Array): number;
  pauseReading(): void;
  resumeReading(): void;
  /** Closes when everything written has been sent. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

export interface SessionDeps {
  readonly server: ServerContext;
  readonly table: CommandTable;
  readonly turnEnd: TurnEnd;
  readonly outlet: Outlet;
  readonly state: ClientState;
}

/** Ready output is sent from this size on, even while more commands stand in the same read. */
const FLUSH_BYTES = 256 * 1024;

export class Session implements CallHost, RespCommandSink, TurnEndTask {
  readonly server: ServerContext;
  readonly state: ClientState;
  readonly #table: CommandTable;
  readonly #turnEnd: TurnEnd;
  readonly #outlet: Outlet;
  readonly #parser: RespParser;
  readonly #order = new KeyOrder();
  readonly #queue: ReplyQueue;
  #current: RespCommand | undefined = undefined;
  /** Bytes that the outlet has not sent. */
  #backlogBytes = 0;
  /** Inside `push` or `turnEnded`, which flush when they end. */
  #isBusy = false;
  #isTurnEndDue = false;
  /** A command was refused; the parser keeps it. */
  #isBlocked = false;
  #isReadingPaused = false;
  #isInputEnded = false;
  /** No further command starts; the connection ends after the replies that are due. */
  #isEnding = false;
  #isClosed = false;

  constructor(deps: SessionDeps) {
    this.server = deps.server;
    this.state = deps.state;
    this.#table = deps.table;
    this.#turnEnd = deps.turnEnd;
    this.#outlet = deps.outlet;
    this.#parser = new RespParser({ sink: this }, deps.server.limits);
    this.#queue = new ReplyQueue({ makeCall: () => new Call(this) });
  }

  get inFlight(): number {
    return this.#queue.size;
  }

  get pendingBytes(): number {
    return this.#parser.pendingBytes;
  }

  get outputBytes(): number {
    return this.#queue.sizeBytes + this.#backlogBytes;
  }

  get current(): RespCommand {
    return must(this.#current, "arguments are lent until the handler returns");
  }

  /** Bytes from the client, borrowed until this returns. */
  push(chunk: Uint8Array): void {
    if (this.#isClosed) return;
    this.server.stats.inputBytes += chunk.length;
    this.state.lastActiveAtMs = this.server.clock.monotonicMs();
    this.#isBusy = true;
    this.#parser.push(chunk);
    this.#settle();
  }

  /** The client sends no more. What it sent is still answered. */
  inputEnded(): void {
    this.#isInputEnded = true;
    this.#settle();
  }

  /** The outlet has sent everything. */
  drained(): void {
    this.#backlogBytes = 0;
    if (this.#isBlocked) this.#addTurnEnd();
  }

  /** Starts no further command, and ends the connection when the running ones are answered. */
  drain(): void {
    this.#isEnding = true;
    this.#parser.stop();
    this.#settle();
  }

  /** The socket is gone. Answers that still come are dropped. */
  closed(): void {
    this.#isClosed = true;
    this.#parser.stop();
  }

  kill(reason: string): void {
    if (this.#isClosed) return;
    this.closed();
    this.server.stats.clientsKilled++;
    this.server.logger.warn("resp.client-killed", { client: this.state.id, reason });
    this.#outlet.destroy();
  }

  /** For TurnEnd: late answers came in this turn, or room for a refused command. */
  turnEnded(): void {
    this.#isTurnEndDue = false;
    if (this.#isClosed) return;
    this.#isBusy = true;
    if (this.#isBlocked) {
      this.#isBlocked = false;
      this.#parser.resume();
    }
    this.#settle();
  }

  /** For the parser: starts a command, or refuses it until there is room. */
  command(command: RespCommand): boolean {
    if (!this.#hasRoom()) return this.#refuse();
    this.#current = command;
    let found = this.#table.resolve(command);
    let level: Consistency | undefined;
    if (typeof found !== "string" && found.isPrefix === true) {
      level = parseLevel(command.text(1));
      if (level === undefined) return this.#reject(unknownLevel(command.text(1)));
      command.shift(2);
      found = this.#table.resolve(command);
    }
    if (typeof found === "string") return this.#reject(found);
    return this.#begin(found, command, level);
  }

  /** For the parser: the stream is broken. */
  protocolError(message: string): void {
    const { server, state } = this;
    server.stats.protocolErrors++;
    server.logger.info("resp.protocol-error", { client: state.id, message });
    const call = this.#queue.add();
    call.begin("", "none", -1, undefined);
    this.endAfter(call);
    call.error(message);
  }

  /** For calls. */
  open(call: Call): RespWriter {
    return this.#queue.open(call);
  }

  /** For calls. */
  close(call: Call): void {
    this.#order.leave(call.access, call.ticket);
    this.#queue.close(call);
    if (this.#isClosed) return;
    const { hardOutputBytes } = this.server.limits;
    if (this.outputBytes > hardOutputBytes)
      this.kill(`over ${hardOutputBytes} bytes of output wait`);
    else if (!this.#isBusy) this.#addTurnEnd();
  }

  /** For calls: the connection ends when the reply of `call` is sent. */
  endAfter(call: Call): void {
    call.isLast = true;
    this.#parser.stop();
  }

  #begin(spec: CommandSpec, command: RespCommand, level: Consistency | undefined): boolean {
    const access = spec.accessOf === undefined ? spec.access : spec.accessOf(command);
    const ticket = this.#order.enter(access, spec.keys, command);
    if (ticket === undefined) return this.#refuse();
    const call = this.#queue.add();
    call.begin(spec.name, access, ticket, level);
    this.state.lastCommand = spec.name;
    this.server.stats.commandsProcessed++;
    try {
      spec.handler(call);
    } catch (error) {
      // The control plane refuses by throwing. Anything else is a bug.
      if (!(error instanceof KvError) || call.isAnswered) throw error;
      call.failed(error);
    }
    this.#current = undefined;
    return true;
  }

  /** Answers a command that cannot start with an error. */
  #reject(message: string): true {
    const call = this.#queue.add();
    call.begin("", "none", -1, undefined);
    this.server.stats.commandsProcessed++;
    if (isHttp(this.current)) {
      this.server.logger.warn("resp.http-request", { client: this.state.addresses.remote });
      this.endAfter(call);
    }
    call.error(message);
    this.#current = undefined;
    return true;
  }

  #refuse(): false {
    this.#isBlocked = true;
    return false;
  }

  #hasRoom(): boolean {
    const { maxInFlight, softOutputBytes } = this.server.limits;
    if (this.#queue.size >= maxInFlight) return false;
    if (this.#queue.readyBytes >= FLUSH_BYTES) this.#flush();
    return this.#queue.size === 0
      ? this.#backlogBytes < softOutputBytes
      : this.outputBytes + this.#queue.expectedBytes < softOutputBytes;
  }

  /** The end of everything that may have made replies or room. */
  #settle(): void {
    this.#isBusy = false;
    if (this.#isInputEnded && !this.#isBlocked) this.#isEnding = true;
    this.#flush();
    if (this.#isClosed) return;
    if (this.#queue.isFinished || (this.#isEnding && this.#queue.size === 0)) {
      this.closed();
      this.#outlet.end();
    } else if (this.#isBlocked !== this.#isReadingPaused) {
      this.#isReadingPaused = this.#isBlocked;
      if (this.#isBlocked) this.#outlet.pauseReading();
      else this.#outlet.resumeReading();
    }
  }

  #flush(): void {
    if (this.#isClosed || this.#queue.readyBytes === 0) return;
    const bytes = this.#queue.take();
    this.server.stats.outputBytes += bytes.length;
    this.#backlogBytes = this.#outlet.write(bytes);
  }

  #addTurnEnd(): void {
    if (this.#isTurnEndDue) return;
    this.#isTurnEndDue = true;
    this.#turnEnd.add(this);
  }
}

/**
 * Whether the command is a line of an HTTP request: a web page that makes its reader's browser talk
 * to this port. Nothing that follows may be taken for commands.
 */
function isHttp(command: RespCommand): boolean {
  return command.is(0, "post") || command.is(0, "host:");
}
