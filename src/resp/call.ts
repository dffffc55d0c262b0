/**
 * One command from its start to its reply: arguments in, operations on the store, one reply out.
 *
 * Calls are the slots of a connection's reply queue and are used again and again; they are the sinks
 * of the store's answers themselves, and what to do with an answer is a plain function (a step), so
 * that GET and SET make no closure and no promise. A handler must reply exactly once, at any time,
 * and not touch the call afterwards.
 *
 * Arguments are lent until the handler returns. What a step needs later must be copied.
 */
import type { RespCommand } from "../codec/resp-command.ts";
import type { RespProtocol, RespWriter } from "../codec/resp-writer.ts";
import type { Consistency } from "../model/consistency.ts";
import type { ReadSink, VersionedValue, WriteSink } from "../model/kv-api.ts";
import { KvError } from "../model/kv-error.ts";
import { assert } from "../util/assert.ts";
import type { ClientState } from "./client-state.ts";
import type { Client, ServerContext } from "./context.ts";
import { INTERNAL_ERROR, kvErrorText, noKeyspace } from "./errors.ts";
import type { Access, Ticket } from "./key-order.ts";

/** What a call needs of its connection. */
export interface CallHost extends Client {
  readonly server: ServerContext;
  /** The arguments of the command whose handler runs. */
  readonly current: RespCommand;
  /** Where the reply of `call` is to be written, at once. */
  open(call: Call): RespWriter;
  /** The reply of `call` is written. */
  close(call: Call): void;
  /** The connection ends when the reply of `call` is sent. */
  endAfter(call: Call): void;
}

export type ReadStep = (call: Call, found: VersionedValue | undefined) => void;
export type WriteStep = (call: Call) => void;

/** What a command writes; an undefined value deletes the key. */
export interface Cell {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
  readonly expiresAtMs?: number | undefined;
}

export class Call implements ReadSink, WriteSink {
  readonly #host: CallHost;
  /** Name for error messages: lower case, `container|subcommand`. */
  name = "";
  access: Access = "none";
  ticket: Ticket = -1;
  protocol: RespProtocol = 2;
  keyspace = "";
  readLevel: Consistency | undefined = undefined;
  writeLevel: Consistency | undefined = undefined;
  /** The connection ends when this call's reply has been sent. */
  isLast = false;
  isAnswered = true;
  /** The encoded reply while earlier ones are missing. */
  held: Uint8Array | undefined = undefined;
  #isWriting = false;
  #onRead: ReadStep = neverRead;
  #onWritten: WriteStep = neverWritten;

  constructor(host: CallHost) {
    this.#host = host;
  }

  /** For the session: begins a new command in this slot. `level` comes from WITH. */
  begin(name: string, access: Access, ticket: Ticket, level: Consistency | undefined): void {
    const { state } = this.#host;
    this.name = name;
    this.access = access;
    this.ticket = ticket;
    this.protocol = state.protocol;
    this.keyspace = state.keyspace;
    this.readLevel = level ?? state.readLevel;
    this.writeLevel = level ?? state.writeLevel;
    this.isLast = false;
    this.isAnswered = false;
    this.#isWriting = false;
  }

  get server(): ServerContext {
    return this.#host.server;
  }

  get client(): Client {
    return this.#host;
  }

  get state(): ClientState {
    return this.#host.state;
  }

  /** The arguments, until the handler returns. */
  get command(): RespCommand {
    return this.#host.current;
  }

  get count(): number {
    return this.#host.current.count;
  }

  /** Reads a key; `step` gets the answer, an error becomes the reply. */
  lookUp(key: Uint8Array, step: ReadStep): void {
    this.#onRead = step;
    this.#isWriting = false;
    this.lookUpFor(key, this);
  }

  /** Reads a key at the level of this call for another sink. */
  lookUpFor(key: Uint8Array, sink: ReadSink): void {
    const { keyspace, readLevel } = this;
    this.server.kv.read({ keyspace, key, consistency: readLevel }, sink);
  }

  /** Writes a key (or deletes it); `step` goes on, an error becomes the reply. */
  store(cell: Cell, step: WriteStep): void {
    this.#onWritten = step;
    this.#isWriting = true;
    this.storeFor(cell, this);
  }

  /** Writes a key at the level of this call for another sink. */
  storeFor({ key, value, expiresAtMs }: Cell, sink: WriteSink): void {
    const { keyspace, writeLevel } = this;
    this.server.kv.write({ keyspace, key, value, expiresAtMs, consistency: writeLevel }, sink);
  }

  /** Waits for `work`, whose failure becomes the reply. Not for hot commands. */
  await<T>(work: Promise<T>, then: (result: T) => void): void {
    work
      .then(then, (reason: unknown) => this.#failUnexpectedly(reason))
      .catch((error: unknown) => {
        this.server.logger.error("resp.reply-failed", { command: this.name, error });
        this.client.kill("a reply could not be made");
      });
  }

  /** The store's answer to `lookUp`. */
  read(found: VersionedValue | undefined): void {
    this.#onRead(this, found);
  }

  /** The store's answer to `store`. */
  written(): void {
    this.#onWritten(this);
  }

  /** The store's refusal. */
  failed(error: KvError): void {
    this.error(this.describe(error, this.#isWriting));
  }

  /** The text of the reply for a failed operation. */
  describe(error: KvError, isWrite: boolean): string {
    return error.detail.code === "UNKNOWN_KEYSPACE"
      ? noKeyspace(error.detail.keyspace, this.server.admin.keyspaces())
      : kvErrorText(error, isWrite);
  }

  /** The writer for this call's reply, to be filled at once and ended with `close`. */
  open(): RespWriter {
    assert(!this.isAnswered, "a command is answered once");
    return this.#host.open(this);
  }

  close(): void {
    this.isAnswered = true;
    this.#host.close(this);
  }

  /** The connection ends when the reply has been sent. */
  endConnection(): void {
    this.#host.endAfter(this);
  }

  ok(): void {
    this.open().ok();
    this.close();
  }

  simple(text: string): void {
    this.open().simple(text);
    this.close();
  }

  error(text: string): void {
    this.server.stats.errorReplies++;
    this.open().error(text);
    this.close();
  }

  integer(value: number): void {
    this.open().integer(value);
    this.close();
  }

  bulk(bytes: Uint8Array): void {
    this.open().bulk(bytes);
    this.close();
  }

  text(text: string): void {
    this.open().text(text);
    this.close();
  }

  verbatim(text: string): void {
    this.open().verbatim(text);
    this.close();
  }

  nil(): void {
    this.open().nil();
    this.close();
  }

  #failUnexpectedly(error: unknown): void {
    if (error instanceof KvError) {
      this.failed(error);
      return;
    }
    this.server.logger.error("resp.command-failed", { command: this.name, error });
    this.error(INTERNAL_ERROR);
  }
}

function neverRead(): void {
  assert(false, "an answer to a read that was not asked");
}

function neverWritten(): void {
  assert(false, "an answer to a write that was not asked");
}
