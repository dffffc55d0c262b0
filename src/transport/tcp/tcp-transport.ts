/**
 * Frames over TCP. Every member opens one connection to each peer for its own requests; answers
 * return on it. All frames that one event-loop turn produced for a peer leave in one write.
 */
import { type Server, type Socket, createServer } from "node:net";
import { FrameError, FrameType, type FrameSpace, bodyOf } from "../../codec/frames.ts";
import { decodeHello, encodeHandshake, refusalReason } from "../../codec/handshake.ts";
import type { Clock, Logger, Rng } from "../../model/deps.ts";
import { formatAddress } from "../../util/address.ts";
import { assert } from "../../util/assert.ts";
import type { Link, Transport, TransportHandler } from "../transport.ts";
import { Connection, type ConnectionLimits } from "./connection.ts";
import { OutgoingLink } from "./outgoing-link.ts";

export interface TcpTransportDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
}

export interface TcpTransportOptions {
  readonly clusterName: string;
  readonly memberId: string;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** What peers are told to connect to; default: where it listens. */
  readonly advertise?: string | undefined;
  readonly limits: ConnectionLimits;
}

/** A connection that a peer opened: requests come in on it, answers go out. */
class IncomingLink implements Link {
  readonly #connection: Connection;
  address = "";
  memberId: string | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get isUp(): boolean {
    return this.memberId !== undefined && this.#connection.isOpen;
  }

  reserve(sizeBytes: number): FrameSpace | undefined {
    return this.#connection.reserve(sizeBytes);
  }
}

export class TcpTransport implements Transport {
  readonly #deps: TcpTransportDeps;
  readonly #options: TcpTransportOptions;
  readonly #links = new Map<string, OutgoingLink>();
  readonly #incoming = new Set<Connection>();
  #dirty: Connection[] = [];
  #server: Server | undefined;
  #handler: TransportHandler | undefined;
  #address = "";

  constructor(deps: TcpTransportDeps, options: TcpTransportOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  async start(handler: TransportHandler): Promise<string> {
    assert(this.#server === undefined, "the transport is started once");
    this.#handler = handler;
    const server = createServer((socket) => this.#accept(socket));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#options.port, this.#options.host, resolve);
    });
    const bound = server.address();
    assert(bound !== null && typeof bound === "object", "a TCP server has an address");
    this.#address =
      this.#options.advertise ?? formatAddress({ host: this.#options.host, port: bound.port });
    return this.#address;
  }

  linkTo(address: string, memberId: string | undefined): Link {
    const known = this.#links.get(address);
    if (known !== undefined) {
      if (memberId !== undefined) known.expect(memberId);
      return known;
    }
    const link = new OutgoingLink(address, memberId, {
      ...this.#deps,
      limits: this.#options.limits,
      self: () => ({
        clusterName: this.#options.clusterName,
        memberId: this.#options.memberId,
        address: this.#address,
      }),
      markDirty: this.#markDirty,
      onFrame: (from, bytes, start, end) => this.#handler?.frame(from, bytes, start, end),
      onUp: (up) => this.#handler?.linkUp(up),
      onDown: (down, reason) => this.#handler?.linkDown(down, reason),
      onRefused: (refused) => this.#handler?.linkRefused(refused),
    });
    this.#links.set(address, link);
    link.open();
    return link;
  }

  forget(address: string): void {
    this.#links.get(address)?.close();
    this.#links.delete(address);
  }

  async stop(): Promise<void> {
    this.#flush();
    this.#handler = undefined;
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
    const server = this.#server;
    const closed = new Promise<void>((resolve) => {
      if (server === undefined) resolve();
      else server.close(() => resolve());
    });
    for (const connection of this.#incoming) connection.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    const connection = new Connection(socket, this.#options.limits, this.#markDirty, {
      onFrame: (bytes, start, end) => {
        if (link.memberId !== undefined) this.#handler?.frame(link, bytes, start, end);
        else this.#shakeHands(connection, link, bytes.subarray(start, end));
      },
      onClose: (reason) => {
        this.#incoming.delete(connection);
        this.#deps.logger.debug("transport.connection-closed", { from: link.address, reason });
      },
    });
    const link = new IncomingLink(connection);
    this.#incoming.add(connection);
    socket.on("data", (chunk) => connection.received(chunk));
  }

  #shakeHands(connection: Connection, link: IncomingLink, frame: Buffer): void {
    if (frame[4] !== FrameType.hello) throw new FrameError("the first frame must be a hello");
    const hello = decodeHello(bodyOf(frame, 0, frame.length));
    const reason = refusalReason(hello, this.#options);
    if (reason !== undefined) {
      this.#deps.logger.warn("transport.peer-refused", { address: hello.address, reason });
      connection.sendOpaque(FrameType.refusal, encodeHandshake({ reason }));
      connection.close(`refused: ${reason}`);
      return;
    }
    link.address = hello.address;
    link.memberId = hello.memberId;
    const welcome = encodeHandshake({ memberId: this.#options.memberId });
    connection.sendOpaque(FrameType.welcome, welcome);
  }

  readonly #markDirty = (connection: Connection): void => {
    if (this.#dirty.length === 0) this.#deps.clock.defer(() => this.#flush());
    this.#dirty.push(connection);
  };

  #flush(): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const connection of dirty) connection.flush();
  }
}
