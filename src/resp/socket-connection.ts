/**
 * The socket of one session: reads into a buffer that all connections share, writes what the session
 * hands over, and tells it when the socket drains, ends or closes.
 *
 * Node.js allocates 64 KiB for every read unless a socket is made with `onread`, which `net.Server`
 * does not offer for the sockets that it accepts. So the handle of an accepted socket, which has not
 * begun to read (`pauseOnConnect`), moves into a new socket made with `onread`. The one step for
 * which there is no public way is taking the handle; where that fails, plain 'data' events serve.
 */
import { type OnReadOpts, Socket, type SocketConstructorOpts } from "node:net";
import { ClientState } from "./client-state.ts";
import type { CommandTable } from "./commands/command-table.ts";
import type { ServerContext } from "./context.ts";
import { type Outlet, Session } from "./session.ts";
import type { TurnEnd } from "./turn-end.ts";

export interface SocketConnectionDeps {
  readonly server: ServerContext;
  readonly table: CommandTable;
  readonly turnEnd: TurnEnd;
  /** Shared by all connections: what was read is used up before the next read. */
  readonly readBuffer: Uint8Array | undefined;
  /** Called once, when the socket is closed. */
  readonly onClosed: (connection: SocketConnection) => void;
}

export class SocketConnection implements Outlet {
  readonly session: Session;
  readonly #socket: Socket;

  /** `accepted` comes from a server with `pauseOnConnect`; `id` names the client. */
  constructor(deps: SocketConnectionDeps, accepted: Socket, id: number) {
    const { server, readBuffer } = deps;
    const addresses = {
      remote: hostAndPort(accepted.remoteAddress, accepted.remotePort),
      local: hostAndPort(accepted.localAddress, accepted.localPort),
    };
    const state = new ClientState(id, addresses, server.clock.monotonicMs());
    this.session = new Session({ ...deps, state, outlet: this });
    this.#socket = this.#adopt(accepted, readBuffer);
    this.#socket.on("drain", () => this.session.drained());
    this.#socket.on("end", () => this.session.inputEnded());
    this.#socket.on("error", (error) =>
      server.logger.debug("resp.socket-error", { client: id, error }),
    );
    this.#socket.on("close", () => {
      this.session.closed();
      deps.onClosed(this);
    });
  }

  write(bytes: Uint8Array): number {
    return this.#socket.write(bytes) ? 0 : this.#socket.writableLength;
  }

  pauseReading(): void {
    this.#socket.pause();
  }

  resumeReading(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #adopt(accepted: Socket, readBuffer: Uint8Array | undefined): Socket {
    const handle = readBuffer === undefined ? undefined : takeHandle(accepted);
    if (handle === undefined || readBuffer === undefined) {
      accepted.on("data", (chunk: Buffer) => this.session.push(asBytes(chunk, chunk.length)));
      accepted.resume();
      return accepted;
    }
    const options: SocketConstructorOpts & { handle: object; onread: OnReadOpts } = {
      handle,
      allowHalfOpen: true,
      onread: {
        buffer: readBuffer,
        callback: (sizeBytes, buffer) => {
          this.session.push(asBytes(buffer, sizeBytes));
          return true;
        },
      },
    };
    return new Socket(options);
  }
}

/** Leaves `accepted` without its handle, and closed. */
function takeHandle(accepted: Socket): object | undefined {
  const holder = accepted as unknown as { _handle?: object | null };
  const handle = holder._handle;
  if (typeof handle !== "object" || handle === null) return undefined;
  holder._handle = null;
  accepted.destroy();
  return handle;
}

/** Not a Buffer: the parser sees one class of arrays only, which keeps it fast. */
function asBytes(buffer: Uint8Array, sizeBytes: number): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, sizeBytes);
}

function hostAndPort(host: string | undefined, port: number | undefined): string {
  const shown = host?.includes(":") === true ? `[${host}]` : (host ?? "?");
  return `${shown}:${port ?? 0}`;
}
