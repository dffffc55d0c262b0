/**
 * The link that this member opens to an address: connects, shakes hands, and connects again with
 * growing pauses when it breaks, until it is closed.
 */
import { type Socket, connect } from "node:net";
import type { FrameVisitor } from "../../codec/frame-splitter.ts";
import { FrameError, type FrameSpace, FrameType, bodyOf } from "../../codec/frames.ts";
import {
  PROTOCOL_VERSION,
  decodeRefusal,
  decodeWelcome,
  encodeHandshake,
} from "../../codec/handshake.ts";
import type { Clock, Logger, Rng, Timer } from "../../model/deps.ts";
import { randomFraction } from "../../util/random.ts";
import { parseAddress } from "../../util/address.ts";
import type { Link } from "../transport.ts";
import { Connection, type ConnectionLimits } from "./connection.ts";

const RETRY_MIN_MS = 20;
const RETRY_MAX_MS = 1000;
const HANDSHAKE_TIMEOUT_MS = 5000;
const READ_BUFFER_BYTES = 256 * 1024;

export interface OutgoingLinkDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly rng: Rng;
  readonly limits: ConnectionLimits;
  readonly self: () => { clusterName: string; memberId: string; address: string };
  readonly markDirty: (connection: Connection) => void;
  readonly onFrame: (link: Link, bytes: Buffer, start: number, end: number) => void;
  readonly onUp: (link: Link) => void;
  readonly onDown: (link: Link, reason: string) => void;
  readonly onRefused: (link: Link) => void;
}

export class OutgoingLink implements Link {
  readonly address: string;
  readonly #deps: OutgoingLinkDeps;
  #expects: string | undefined;
  #connection: Connection | undefined;
  #memberId: string | undefined;
  #isUp = false;
  #retryMs = RETRY_MIN_MS;
  #timer: Timer | undefined;
  #closed = false;
  #lastRefusal = "";

  constructor(address: string, expects: string | undefined, deps: OutgoingLinkDeps) {
    this.address = address;
    this.#expects = expects;
    this.#deps = deps;
  }

  get memberId(): string | undefined {
    return this.#memberId;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** From now on only this member may answer here. */
  expect(memberId: string): void {
    if (this.#expects === memberId) return;
    this.#expects = memberId;
    // What has been refused until now may be welcome: the pauses were for somebody else.
    this.#retryMs = RETRY_MIN_MS;
    const objection = this.#objectionTo(this.#memberId);
    if (objection !== undefined) {
      this.#connection?.close(objection);
    } else if (this.#connection === undefined && !this.#closed) {
      this.#timer?.cancel();
      this.open();
    }
  }

  reserve(sizeBytes: number): FrameSpace | undefined {
    return this.#isUp ? this.#connection?.reserve(sizeBytes) : undefined;
  }

  open(): void {
    const { host, port } = parseAddress(this.address);
    const onread = {
      buffer: Buffer.allocUnsafeSlow(READ_BUFFER_BYTES),
      callback: (bytesRead: number, buffer: Uint8Array): boolean => {
        connection.received((buffer as Buffer).subarray(0, bytesRead));
        return true;
      },
    };
    const socket: Socket = connect({ host, port, onread });
    const connection = new Connection(socket, this.#deps.limits, this.#deps.markDirty, {
      onFrame: this.#frame,
      onClose: (reason) => this.#closedBecause(reason),
    });
    this.#connection = connection;
    socket.on("connect", () => this.#greet(connection));
    this.#timer = this.#deps.clock.setTimer(HANDSHAKE_TIMEOUT_MS, () =>
      connection.close(`no handshake within ${HANDSHAKE_TIMEOUT_MS} ms`),
    );
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#connection?.destroy();
  }

  #greet(connection: Connection): void {
    const self = this.#deps.self();
    const hello = { protocol: PROTOCOL_VERSION, ...self, expects: this.#expects };
    connection.sendOpaque(FrameType.hello, encodeHandshake(hello));
  }

  readonly #frame: FrameVisitor = (bytes, start, end) => {
    if (this.#isUp) return this.#deps.onFrame(this, bytes, start, end);
    const type = bytes[start + 4];
    if (type === FrameType.refusal) {
      const { reason } = decodeRefusal(bodyOf(bytes, start, end));
      this.#tellOnce(reason);
      throw new FrameError(`refused: ${reason}`);
    }
    if (type !== FrameType.welcome) throw new FrameError(`frame ${type} before the welcome`);
    const { memberId } = decodeWelcome(bodyOf(bytes, start, end));
    // Nobody in particular may have been expected yet when the greeting went out.
    const objection = this.#objectionTo(memberId);
    if (objection !== undefined) throw new FrameError(objection);
    this.#memberId = memberId;
    this.#timer?.cancel();
    this.#retryMs = RETRY_MIN_MS;
    this.#isUp = true;
    this.#deps.onUp(this);
  };

  /** Why this member may not answer here; undefined if it may. */
  #objectionTo(memberId: string | undefined): string | undefined {
    if (memberId === undefined || this.#expects === undefined) return undefined;
    if (memberId === this.#expects) return undefined;
    return `member ${memberId} answers where ${this.#expects} is expected`;
  }

  /** It is tried again for ever, and refused as often. */
  #tellOnce(reason: string): void {
    if (reason === this.#lastRefusal) return;
    this.#lastRefusal = reason;
    this.#deps.logger.warn("transport.refused-by-peer", { address: this.address, reason });
  }

  #closedBecause(reason: string): void {
    this.#timer?.cancel();
    const wasUp = this.#isUp;
    this.#connection = undefined;
    this.#isUp = false;
    this.#memberId = undefined;
    if (wasUp) this.#deps.onDown(this, reason);
    else if (reason.includes("ECONNREFUSED")) this.#deps.onRefused(this);
    if (this.#closed) return;
    const pauseMs = this.#retryMs * (0.5 + randomFraction(this.#deps.rng) / 2);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    this.#timer = this.#deps.clock.setTimer(pauseMs, () => this.open());
  }
}
