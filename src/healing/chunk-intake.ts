/**
 * The receiver's half of a stream: asks for one chunk, and merges what it brings.
 *
 * Cells that come with their content are put; the store keeps what is newer. Cells that come as heads
 * are compared with what is here, and those that are missing or older are asked for by key. The
 * pass moves on only when all of it is in the store.
 *
 * A chunk is believed when its checksum holds and its cells lie where they were asked for; whatever
 * else comes is thrown away before anything of it is put.
 */
import { FrameError } from "../codec/frames.ts";
import {
  type CellName,
  StreamChunk,
  type StreamRequest,
  type StreamSpan,
  encodeStreamRequest,
} from "../codec/stream-frames.ts";
import { compareHalves, tokenFromHalves, tokenHi, tokenLo } from "../ring/token.ts";
import type { PutSink, StorageEngine } from "../storage/engine.ts";
import { StorageError } from "../storage/storage-error.ts";
import { compareHeads, compareVersions } from "../versions/compare.ts";
import { type Ask, AskError } from "../codec/ask.ts";
import type { Session } from "./session.ts";
import { fittingNames } from "./stream-source.ts";
import type { DutyProgress, HolderPass } from "./sync-progress.ts";
import type { Throttle } from "./throttle.ts";

/** The store of this member did not take what was streamed. */
export class StoreFailure extends Error {
  constructor(cause: Error) {
    const isFull = cause instanceof StorageError && cause.code === "FULL";
    const hint = isFull ? "the disk is full; make space and resume the task" : "the store failed";
    super(`${hint}: ${cause.message}`, { cause });
    this.name = "StoreFailure";
  }
}

/** What came from one member for one keyspace. */
export interface StreamTraffic {
  readonly memberId: string;
  readonly keyspaceId: number;
  /** Of the keys and values of these cells: what a plan counts, and engines measure. */
  readonly bytes: number;
  /** Cells that came with their content. */
  readonly cells: number;
}

export interface ChunkIntakeDeps {
  readonly engine: Pick<StorageEngine, "put" | "head">;
  readonly ask: Ask;
  readonly throttle: Throttle;
  /** Hears the newest timestamp of each chunk, so that this member's clock does not fall behind. */
  readonly observe?: ((timestamp: number) => void) | undefined;
}

export interface ChunkIntakeOptions {
  readonly chunkBytes: number;
  readonly chunkCells: number;
}

/** A cell that the holder has and we do not. */
interface WantedCell extends CellName {
  readonly timestamp: number;
  readonly writer: number;
}

const BUSY_RETRY_MS = 50;

export class ChunkIntake {
  readonly #deps: ChunkIntakeDeps;
  readonly #options: ChunkIntakeOptions;
  readonly #traffic = new Map<string, { -readonly [K in keyof StreamTraffic]: StreamTraffic[K] }>();

  #bytes = 0;

  constructor(deps: ChunkIntakeDeps, options: ChunkIntakeOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Bytes of all chunks that came so far, heads included. */
  get bytes(): number {
    return this.#bytes;
  }

  traffic(): readonly StreamTraffic[] {
    return [...this.#traffic.values()].map((one) => ({ ...one }));
  }

  /**
   * Fetches the next chunk of a pass and moves the pass on.
   *
   * @throws AskError, FrameError (a damaged chunk), StoreFailure, SessionOver
   */
  async pull(session: Session, pull: Pull): Promise<void> {
    const { progress, pass, wantsValues } = pull;
    const span = spanOf(progress.rest(pass));
    const kind = wantsValues ? "values" : "heads";
    const chunk = await this.#ask(session, pull, { kind, span, ...this.#limits() });
    checkSpanChunk(chunk, span);
    const wanted = await this.#merge(session, pull, chunk);
    await this.#fetch(session, pull, wanted);
    pass.position = chunk.isComplete ? "done" : tokenFromHalves(chunk.cursorHi, chunk.cursorLo);
  }

  /** Fetches cells by key. */
  async #fetch(session: Session, pull: Pull, wanted: readonly WantedCell[]): Promise<void> {
    for (let next = 0; next < wanted.length;) {
      const rest = wanted.slice(next, next + this.#options.chunkCells);
      const cells = rest.slice(0, fittingNames(rest, this.#limits()));
      const chunk = await this.#ask(session, pull, { kind: "cells", cells, ...this.#limits() });
      checkListChunk(chunk, cells.length, spanOf(pull.progress.duty));
      await this.#merge(session, pull, chunk);
      this.#checkGiven(pull.progress.duty.keyspaceId, cells.slice(0, chunk.taken) as WantedCell[]);
      next += chunk.taken;
    }
  }

  async #ask(session: Session, pull: Pull, request: StreamRequest): Promise<StreamChunk> {
    const { ask, throttle } = this.#deps;
    await throttle.pass((delayMs) => session.sleep(delayMs));
    session.check();
    const { keyspaceId } = pull.progress.duty;
    const memberId = pull.pass.holder;
    const makeBody = (layout: Parameters<typeof encodeStreamRequest>[1]): Buffer =>
      encodeStreamRequest(request, layout);
    const body = await session.wait(ask({ memberId, keyspaceId, makeBody }));
    this.#bytes += body.length;
    throttle.spend(body.length, 0);
    const chunk = new StreamChunk(body, keyspaceId);
    throttle.spend(0, chunk.cellCount);
    return chunk;
  }

  /** Puts what came with its content; returns what is to be fetched. */
  async #merge(session: Session, pull: Pull, chunk: StreamChunk): Promise<readonly WantedCell[]> {
    for (;;) {
      // From here to the last put nothing else runs: a session that is over has put its last cell.
      session.check();
      const batch = new PutBatch();
      const wanted = this.#putAll(chunk, batch);
      const error = await batch.settled();
      if (error === undefined) {
        const { duty } = pull.progress;
        const traffic = this.#trafficOf(pull.pass.holder, duty.keyspaceId);
        traffic.cells += batch.count;
        traffic.bytes += batch.bytes;
        return wanted;
      }
      if (!(error instanceof StorageError && error.code === "BUSY")) throw new StoreFailure(error);
      await session.sleep(BUSY_RETRY_MS);
    }
  }

  #putAll(chunk: StreamChunk, batch: PutBatch): WantedCell[] {
    const { engine, observe } = this.#deps;
    const wanted: WantedCell[] = [];
    let newest = 0;
    chunk.visit((cell) => {
      newest = Math.max(newest, cell.timestamp);
      if (cell.value !== undefined || cell.isTombstone) {
        batch.expect(cell.key.length + (cell.value?.length ?? 0));
        engine.put(cell, "memory", batch);
        return;
      }
      const { keyspaceId, tokenHi: hi, tokenLo: lo, key, timestamp, writer } = cell;
      const head = engine.head(keyspaceId, hi, lo, key);
      if (head !== undefined && compareHeads(cell, head) <= 0) return;
      wanted.push({ tokenHi: hi, tokenLo: lo, key, timestamp, writer });
    });
    if (chunk.cellCount > 0) observe?.(newest);
    return wanted;
  }

  /** What was announced and asked for is here now, or the holder would be taken for merged in vain. */
  #checkGiven(keyspaceId: number, wanted: readonly WantedCell[]): void {
    for (const cell of wanted) {
      const head = this.#deps.engine.head(keyspaceId, cell.tokenHi, cell.tokenLo, cell.key);
      if (head !== undefined && compareVersions(head, cell) >= 0) continue;
      throw new AskError("REFUSED", "does not give a cell that it has announced");
    }
  }

  #limits(): { maxBytes: number; maxCells: number } {
    return { maxBytes: this.#options.chunkBytes, maxCells: this.#options.chunkCells };
  }

  #trafficOf(memberId: string, keyspaceId: number): { bytes: number; cells: number } {
    const key = `${keyspaceId} ${memberId}`;
    let traffic = this.#traffic.get(key);
    if (traffic === undefined) {
      traffic = { memberId, keyspaceId, bytes: 0, cells: 0 };
      this.#traffic.set(key, traffic);
    }
    return traffic;
  }
}

/** Which chunk to fetch. */
export interface Pull {
  readonly progress: DutyProgress;
  readonly pass: HolderPass;
  readonly wantsValues: boolean;
}

/** Waits for the outcomes of many puts. */
class PutBatch implements PutSink {
  #count = 0;
  #bytes = 0;
  #pending = 1;
  #error: Error | undefined;
  #resolve: (() => void) | undefined;

  /** The puts that belong to it. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of their keys and values. */
  get bytes(): number {
    return this.#bytes;
  }

  expect(sizeBytes: number): void {
    this.#count++;
    this.#bytes += sizeBytes;
    this.#pending++;
  }

  stored(): void {
    this.#pending--;
    if (this.#pending === 0) this.#resolve?.();
  }

  putFailed(error: Error): void {
    this.#error ??= error;
    this.stored();
  }

  /** Resolves with the first failure, if there was one, when all outcomes are in. */
  async settled(): Promise<Error | undefined> {
    await new Promise<void>((resolve) => {
      this.#resolve = resolve;
      this.stored();
    });
    return this.#error;
  }
}

function spanOf({ start, end }: { readonly start: bigint; readonly end: bigint }): StreamSpan {
  return {
    startHi: tokenHi(start),
    startLo: tokenLo(start),
    endHi: tokenHi(end),
    endLo: tokenLo(end),
  };
}

function isWithin(span: StreamSpan, hi: number, lo: number): boolean {
  const { startHi, startLo, endHi, endLo } = span;
  const isAfterStart = compareHalves(hi, lo, startHi, startLo) > 0;
  const isUpToEnd = compareHalves(hi, lo, endHi, endLo) <= 0;
  const isWrapping = compareHalves(startHi, startLo, endHi, endLo) >= 0;
  return isWrapping ? isAfterStart || isUpToEnd : isAfterStart && isUpToEnd;
}

function checkSpanChunk(chunk: StreamChunk, span: StreamSpan): void {
  const { isComplete, cursorHi, cursorLo } = chunk;
  const isAtEnd = compareHalves(cursorHi, cursorLo, span.endHi, span.endLo) === 0;
  const isOnTheWay = !isAtEnd && isWithin(span, cursorHi, cursorLo);
  if (isComplete ? !isAtEnd : !isOnTheWay) {
    throw new FrameError(`stream chunk that ends outside of what was asked for`);
  }
  checkCells(chunk, { ...span, endHi: cursorHi, endLo: cursorLo });
}

function checkListChunk(chunk: StreamChunk, asked: number, span: StreamSpan): void {
  if (chunk.taken < 1 || chunk.taken > asked || chunk.cellCount > chunk.taken) {
    throw new FrameError(`stream chunk that answers ${chunk.taken} of ${asked} cells`);
  }
  checkCells(chunk, span);
  chunk.visit(({ value, isTombstone }) => {
    if (value !== undefined || isTombstone) return;
    throw new FrameError("stream chunk without a value that was asked for");
  });
}

function checkCells(chunk: StreamChunk, span: StreamSpan): void {
  chunk.visit(({ tokenHi: hi, tokenLo: lo }) => {
    if (isWithin(span, hi, lo)) return;
    throw new FrameError(`stream chunk with a cell outside of what was asked for`);
  });
}
