/**
 * The replica's half of a request: what a member does when a coordinator asks it for its own copy.
 *
 * Every request carries the layout version it was made under. A replica that lives in another one
 * refuses, and both sides exchange layouts: it might not be a replica of that key at all.
 *
 * Who lives in the same newest layout may still count older ones that are over here, because it has
 * not heard yet that nobody reads from them. What it writes for their sake alone is kept, as it was
 * told, and reported as stray: what this member does not own may have been dropped before it came.
 */
import {
  type FailureReasonCode,
  FRAME_HEADER_BYTES,
  FailureReason,
  type FrameHeader,
  FrameType,
  FrameError,
  LAYOUT_BYTES,
  type ReadFrame,
  type Writable,
  type WriteFrame,
  bodyOf,
  decodeRead,
  decodeWrite,
  encodeOpaque,
  encodeReadAnswer,
  encodeWriteOk,
  isSameLayout,
  readAnswerBytes,
} from "../codec/frames.ts";
import { decodeScanQuery, encodeScanAnswer } from "../codec/packed-frames.ts";
import { CorruptRecordError, type PutSink } from "../storage/engine.ts";
import type { Link } from "../transport/transport.ts";
import { InvariantError } from "../util/assert.ts";
import type { CoordinatorContext } from "./context.ts";
import { readLocalHead, readLocally } from "./local-read.ts";
import { scanLocally } from "./local-scan.ts";

/** Answers a write when it is stored. */
class RemoteAcknowledgement implements PutSink {
  readonly #link: Link;
  readonly #requestId: number;

  constructor(link: Link, requestId: number) {
    this.#link = link;
    this.#requestId = requestId;
  }

  stored(): void {
    const space = this.#link.reserve(FRAME_HEADER_BYTES);
    if (space !== undefined) encodeWriteOk(space, this.#requestId);
  }

  putFailed(error: Error): void {
    refuse(this.#link, this.#requestId, FailureReason.storage, error.message);
  }
}

/** Answers a request for a chunk; a thrown error refuses it. `from` is the address of who asks. */
export type ServeStream = (keyspaceId: number, body: Buffer, from: string) => Buffer;

/** A request for a chunk that waits for its turn. */
interface QueuedStream {
  readonly link: Link;
  readonly header: FrameHeader;
  readonly frame: Buffer;
}

/** Requests for chunks that wait for their turn; each receiver has a few under way. */
const STREAMS_WAITING_MAX = 1000;

export interface ReplicaServiceDeps {
  readonly onLayoutMismatch: (link: Link) => void;
  /** A write was taken of which this member is no replica in any active layout. */
  readonly onStrayWrite: () => void;
  readonly serveStream?: ServeStream | undefined;
}

export class ReplicaService {
  readonly #context: CoordinatorContext;
  readonly #deps: ReplicaServiceDeps;
  readonly #write = {} as Writable<WriteFrame>;
  readonly #read = {} as Writable<ReadFrame>;
  #streams: QueuedStream[] = [];

  constructor(context: CoordinatorContext, deps: ReplicaServiceDeps) {
    this.#context = context;
    this.#deps = deps;
  }

  /** Serves no chunk any more. */
  stop(): void {
    this.#streams = [];
  }

  /** Takes a request frame. Throws FrameError if it is malformed. */
  serve(
    link: Link,
    header: FrameHeader,
    bytes: Buffer,
    span: { start: number; end: number },
  ): void {
    if (span.end - span.start < FRAME_HEADER_BYTES + LAYOUT_BYTES) {
      throw new FrameError(`request frame of type ${header.type} without a layout`);
    }
    if (!isSameLayout(bytes, span.start, this.#context.layout)) {
      return this.#refuseLayout(link, header, bytes.subarray(span.start, span.end));
    }
    if (header.type === FrameType.write) this.#serveWrite(link, header, bytes, span);
    else if (header.type === FrameType.read) this.#serveRead(link, header, bytes, span);
    else if (header.type === FrameType.scan) {
      this.#serveScan(link, header, bodyOf(bytes, span.start, span.end));
    } else this.#queueStream(link, header, bytes.subarray(span.start, span.end));
  }

  /** A write goes back as it came, because its coordinator has not kept it. */
  #refuseLayout(link: Link, header: FrameHeader, frame: Buffer): void {
    this.#context.counters.layoutMismatches++;
    const body = header.type === FrameType.write ? frame : Buffer.alloc(0);
    refuseWith(link, header.requestId, FailureReason.layoutMismatch, body);
    this.#deps.onLayoutMismatch(link);
  }

  #serveWrite(
    link: Link,
    { requestId, keyspaceId }: FrameHeader,
    bytes: Buffer,
    { start, end }: { start: number; end: number },
  ): void {
    const write = this.#write;
    decodeWrite(bytes, start, end, write);
    this.#context.counters.replicaWrites++;
    this.#context.hybridClock.observe(write.timestamp);
    this.#context.engine.put(write, write.durability, new RemoteAcknowledgement(link, requestId));
    const placement = this.#context.placementsById.get(keyspaceId);
    if (placement?.isReplicaHere(write.tokenHi, write.tokenLo) === false) this.#deps.onStrayWrite();
  }

  #serveRead(
    link: Link,
    { requestId, keyspaceId }: FrameHeader,
    bytes: Buffer,
    { start, end }: { start: number; end: number },
  ): void {
    const read = this.#read;
    decodeRead(bytes, start, end, read);
    this.#context.counters.replicaReads++;
    const { tokenHi, tokenLo, key } = read;
    const cell = { keyspaceId, tokenHi, tokenLo, key };
    try {
      const answer = read.isDigest
        ? readLocalHead(this.#context.engine, cell)
        : readLocally(this.#context.engine, cell);
      const space = link.reserve(readAnswerBytes(answer));
      if (space !== undefined) encodeReadAnswer(space, answer, requestId);
    } catch (error) {
      if (!(error instanceof CorruptRecordError)) throw error;
      refuse(link, requestId, FailureReason.corrupt, error.message);
    }
  }

  #serveScan(link: Link, { requestId, keyspaceId }: FrameHeader, body: Buffer): void {
    const query = decodeScanQuery(body);
    let packed: Buffer;
    try {
      packed = encodeScanAnswer(scanLocally(this.#context, keyspaceId, query));
    } catch (error) {
      if (!(error instanceof CorruptRecordError)) throw error;
      return refuse(link, requestId, FailureReason.corrupt, error.message);
    }
    const space = link.reserve(FRAME_HEADER_BYTES + packed.length);
    if (space === undefined) return;
    const type = FrameType.scanOk;
    encodeOpaque(space, { type, flags: 0, keyspaceId, requestId }, packed);
  }

  /** Chunks are large. One in a turn of the event loop: clients' requests go in between. */
  #queueStream(link: Link, header: FrameHeader, frame: Buffer): void {
    if (this.#streams.length >= STREAMS_WAITING_MAX) {
      return refuse(link, header.requestId, FailureReason.stream, "too many ask it for chunks");
    }
    this.#streams.push({ link, header, frame: Buffer.from(frame) });
    if (this.#streams.length === 1) this.#context.defer(this.#serveNextStream);
  }

  readonly #serveNextStream = (): void => {
    const next = this.#streams.shift();
    if (next === undefined) return;
    if (this.#streams.length > 0) this.#context.defer(this.#serveNextStream);
    const { link, header, frame } = next;
    if (isSameLayout(frame, 0, this.#context.layout)) this.#serveStream(link, header, frame);
    else this.#refuseLayout(link, header, frame);
  };

  #serveStream(link: Link, { requestId, keyspaceId }: FrameHeader, frame: Buffer): void {
    const { serveStream } = this.#deps;
    if (serveStream === undefined) {
      return refuse(link, requestId, FailureReason.stream, "it serves no streams");
    }
    let answer: Buffer;
    try {
      answer = serveStream(keyspaceId, bodyOf(frame, 0, frame.length), link.address);
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      return refuse(link, requestId, FailureReason.stream, textOf(error));
    }
    const space = link.reserve(FRAME_HEADER_BYTES + answer.length);
    if (space === undefined) return;
    const type = FrameType.streamOk;
    encodeOpaque(space, { type, flags: 0, keyspaceId, requestId }, answer);
  }
}

function refuse(link: Link, requestId: number, reason: FailureReasonCode, text: string): void {
  refuseWith(link, requestId, reason, Buffer.from(text, "utf8"));
}

function refuseWith(link: Link, requestId: number, reason: FailureReasonCode, body: Buffer): void {
  const space = link.reserve(FRAME_HEADER_BYTES + body.length);
  if (space === undefined) return;
  encodeOpaque(space, { type: FrameType.failure, flags: reason, keyspaceId: 0, requestId }, body);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
