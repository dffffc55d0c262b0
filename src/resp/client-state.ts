/** What a connection remembers between commands: what HELLO, SELECT, CLIENT and CONSISTENCY set. */
import type { RespProtocol } from "../codec/resp-writer.ts";
import type { Consistency } from "../model/consistency.ts";

/** The keyspace of a new connection. */
export const DEFAULT_KEYSPACE = "default";

export const INVALID_CLIENT_NAME =
  "ERR Client names cannot contain spaces, newlines or special characters.";

/** Names go into lines of words: printable ASCII without spaces, or nothing. */
export function isClientName(text: string): boolean {
  return /^[!-~]*$/.test(text);
}

export interface ClientAddresses {
  /** `host:port` of the client. */
  readonly remote: string;
  /** `host:port` on which it was accepted. */
  readonly local: string;
}

export class ClientState {
  readonly id: number;
  readonly addresses: ClientAddresses;
  readonly connectedAtMs: number;
  protocol: RespProtocol = 2;
  keyspace: string = DEFAULT_KEYSPACE;
  /** Undefined: the level of the keyspace. */
  readLevel: Consistency | undefined = undefined;
  writeLevel: Consistency | undefined = undefined;
  name = "";
  libraryName = "";
  libraryVersion = "";
  lastActiveAtMs: number;
  lastCommand = "NULL";

  /** `nowMs` is monotonic time. */
  constructor(id: number, addresses: ClientAddresses, nowMs: number) {
    this.id = id;
    this.addresses = addresses;
    this.connectedAtMs = nowMs;
    this.lastActiveAtMs = nowMs;
  }

  /** RESET: as if the client had just connected. What it says about its library stays. */
  reset(): void {
    this.protocol = 2;
    this.keyspace = DEFAULT_KEYSPACE;
    this.readLevel = undefined;
    this.writeLevel = undefined;
    this.name = "";
  }
}
