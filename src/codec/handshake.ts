/** The first words on a connection between members: who calls, whom they expect, and the answer. */
import { FrameError } from "./frames.ts";

/** Raised when frames change in a way that older members cannot read. */
export const PROTOCOL_VERSION = 1;

export interface Hello {
  readonly protocol: number;
  readonly clusterName: string;
  readonly memberId: string;
  /** Where the caller itself listens. */
  readonly address: string;
  /** The member that the caller wants; undefined if anybody will do. */
  readonly expects?: string | undefined;
}

export interface Welcome {
  readonly memberId: string;
}

export interface Refusal {
  readonly reason: string;
}

export function encodeHandshake(message: Hello | Welcome | Refusal): Uint8Array {
  return Buffer.from(JSON.stringify(message), "utf8");
}

export function decodeHello(body: Buffer): Hello {
  const { protocol, clusterName, memberId, address, expects } = parseObject(body);
  if (
    typeof protocol !== "number" ||
    typeof clusterName !== "string" ||
    typeof memberId !== "string" ||
    typeof address !== "string" ||
    (expects !== undefined && typeof expects !== "string")
  ) {
    throw new FrameError("malformed hello");
  }
  return { protocol, clusterName, memberId, address, expects };
}

export function decodeWelcome(body: Buffer): Welcome {
  const { memberId } = parseObject(body);
  if (typeof memberId !== "string") throw new FrameError("malformed welcome");
  return { memberId };
}

export function decodeRefusal(body: Buffer): Refusal {
  const { reason } = parseObject(body);
  return { reason: typeof reason === "string" ? reason : "no reason given" };
}

/** Why `self` must not talk to a caller, or undefined. */
export function refusalReason(
  hello: Hello,
  self: { readonly clusterName: string; readonly memberId: string },
): string | undefined {
  if (hello.protocol !== PROTOCOL_VERSION) {
    return `protocol ${hello.protocol}, this member speaks ${PROTOCOL_VERSION}`;
  }
  if (hello.clusterName !== self.clusterName) {
    return `cluster '${hello.clusterName}', this member belongs to '${self.clusterName}'`;
  }
  if (hello.expects !== undefined && hello.expects !== self.memberId) {
    return `expected member ${hello.expects}, this is ${self.memberId}`;
  }
  if (hello.memberId === self.memberId) return `two members have the id ${self.memberId}`;
  return undefined;
}

function parseObject(body: Buffer): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString("utf8"));
  } catch (cause) {
    throw new FrameError(`malformed handshake: ${String(cause)}`);
  }
  if (typeof parsed !== "object" || parsed === null) throw new FrameError("malformed handshake");
  return parsed as Record<string, unknown>;
}
