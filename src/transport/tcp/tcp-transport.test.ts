import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { FRAME_HEADER_BYTES, FrameType, bodyOf, encodeOpaque } from "../../codec/frames.ts";
import { type Clock, silentLogger } from "../../model/deps.ts";
import { realClock } from "../../node/real-clock.ts";
import { parseAddress } from "../../util/address.ts";
import { SeededRng } from "../../util/random.ts";
import type { Link, TransportHandler } from "../transport.ts";
import { TcpTransport, type TcpTransportOptions } from "./tcp-transport.ts";

const started: TcpTransport[] = [];

afterEach(async () => {
  for (const transport of started.splice(0)) await transport.stop();
});

interface Side {
  readonly transport: TcpTransport;
  readonly address: string;
  readonly frames: string[];
  /** What the handler was told besides frames. */
  readonly events: ("up" | "down" | "refused")[];
}

async function side(
  options: Partial<TcpTransportOptions> = {},
  clock: Clock = realClock,
): Promise<Side> {
  const frames: string[] = [];
  const events: Side["events"] = [];
  const handler: TransportHandler = {
    frame(link, bytes, start, end) {
      const text = bodyOf(bytes, start, end).toString();
      frames.push(text);
      if (text.startsWith("?")) send(link, `!${text.slice(1)}`);
      if (text === "throw") throw new Error("the handler does not like it");
    },
    linkUp: () => void events.push("up"),
    linkDown: () => void events.push("down"),
    linkRefused: () => void events.push("refused"),
  };
  const transport = new TcpTransport(
    { clock, rng: new SeededRng(1), logger: silentLogger },
    {
      clusterName: "test",
      memberId: `member ${started.length}`,
      host: "127.0.0.1",
      port: 0,
      limits: { frameBytesMax: 1 << 20, queueBytesMax: 1 << 21 },
      ...options,
    },
  );
  started.push(transport);
  const address = await transport.start(handler);
  return { transport, address, frames, events };
}

function send(link: Link, text: string): boolean {
  const body = Buffer.from(text);
  const space = link.reserve(FRAME_HEADER_BYTES + body.length);
  if (space === undefined) return false;
  const header = { type: FrameType.control, flags: 0, keyspaceId: 0, requestId: 0 };
  encodeOpaque(space, header, body);
  return true;
}

describe("TcpTransport", () => {
  it("carries requests there and answers back, in order, of any size", async () => {
    const [a, b] = [await side(), await side({ memberId: "b" })];
    const link = a.transport.linkTo(b.address, "b");
    expect(send(link, "too early")).toBe(false);
    await expect.poll(() => link.isUp).toBe(true);
    expect(link.memberId).toBe("b");
    const big = "x".repeat(700_000);
    for (const text of ["?1", "?2", `?${big}`, "?3"]) expect(send(link, text)).toBe(true);
    await expect.poll(() => a.frames.length).toBe(4);
    expect(a.frames).toEqual(["!1", "!2", `!${big}`, "!3"]);
  });

  it("refuses another cluster, and a member that is not the one expected", async () => {
    const [a, b] = [await side({ clusterName: "other" }), await side({ memberId: "b" })];
    const c = await side({ memberId: "c" });
    const strange = a.transport.linkTo(b.address, undefined);
    const wrong = c.transport.linkTo(b.address, "somebody else");
    const right = c.transport.linkTo(a.address, undefined);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect([strange.isUp, wrong.isUp, right.isUp]).toEqual([false, false, false]);
    wrong.reserve(20);
    expect(b.frames).toEqual([]);
  });

  it("refuses a member that is not expected any more when it answers", async () => {
    const [a, b] = [await side(), await side({ memberId: "b" })];
    const link = a.transport.linkTo(b.address, undefined);
    // By now the greeting says that anybody is welcome.
    await new Promise((resolve) => setImmediate(resolve));
    a.transport.linkTo(b.address, "who was here before");
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(a.events).not.toContain("up");
    expect(link.isUp).toBe(false);
  });

  it("does not let a newcomer wait for what its address was refused before", async () => {
    const delaysMs: number[] = [];
    const setTimer: Clock["setTimer"] = (delayMs) => {
      delaysMs.push(delayMs);
      return { cancel: () => {} };
    };
    const a = await side({}, { ...realClock, setTimer });
    const b = await side({ memberId: "b" });
    const link = a.transport.linkTo(b.address, "who was here before");
    // One for the handshake, and one for the pause that never ends.
    await expect.poll(() => delaysMs.length).toBe(2);
    expect(a.transport.linkTo(b.address, "b")).toBe(link);
    await expect.poll(() => link.isUp).toBe(true);
  });

  it("says that nobody listens, and connects as soon as somebody does", async () => {
    const probe = await side();
    await probe.transport.stop();
    const a = await side();
    const link = a.transport.linkTo(probe.address, undefined);
    await expect.poll(() => a.events).toContain("refused");
    await side({ memberId: "late", port: parseAddress(probe.address).port });
    await expect.poll(() => link.isUp, { timeout: 3000 }).toBe(true);
  });

  it("reports a link that broke, and mends it", async () => {
    const a = await side();
    const b = await side({ memberId: "b" });
    const link = a.transport.linkTo(b.address, "b");
    await expect.poll(() => link.isUp).toBe(true);
    await b.transport.stop();
    await expect.poll(() => a.events).toContain("down");
    expect(link.isUp).toBe(false);
    await side({ memberId: "b", port: parseAddress(b.address).port });
    await expect.poll(() => link.isUp, { timeout: 3000 }).toBe(true);
  });

  it("ends a connection whose frame its handler refuses, and lives on", async () => {
    const [a, b] = [await side(), await side({ memberId: "b" })];
    const link = a.transport.linkTo(b.address, "b");
    await expect.poll(() => link.isUp).toBe(true);
    send(link, "throw");
    await expect.poll(() => a.events).toContain("down");
    await expect.poll(() => link.isUp, { timeout: 3000 }).toBe(true);
    send(link, "?again");
    await expect.poll(() => a.frames).toEqual(["!again"]);
  });

  it("ends a connection that sends rubbish", async () => {
    const { address } = await side();
    const { host, port } = parseAddress(address);
    for (const rubbish of [Buffer.alloc(64, 0xff), Buffer.from("GET / HTTP/1.1\r\n\r\n")]) {
      const socket = connect(port, host);
      socket.on("error", () => {});
      const closed = new Promise((resolve) => socket.once("close", () => resolve("closed")));
      socket.write(rubbish);
      expect(await closed).toBe("closed");
    }
  });

  it("bounds what waits for a peer", async () => {
    const [a, b] = [await side(), await side({ memberId: "b" })];
    const link = a.transport.linkTo(b.address, "b");
    await expect.poll(() => link.isUp).toBe(true);
    const chunk = "x".repeat(500_000);
    const accepted = Array.from({ length: 10 }, () => send(link, chunk));
    expect(accepted).toEqual([true, true, true, true, ...Array.from({ length: 6 }, () => false)]);
    await expect.poll(() => b.frames.length).toBe(4);
    expect(send(link, "there is room again")).toBe(true);
  });
});
