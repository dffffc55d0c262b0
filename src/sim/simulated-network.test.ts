import { describe, expect, it } from "vitest";
import { FRAME_HEADER_BYTES, FrameType, bodyOf, encodeOpaque } from "../codec/frames.ts";
import type { Link, TransportHandler } from "../transport/transport.ts";
import { SeededRng } from "../util/random.ts";
import { EventLog } from "./event-log.ts";
import { CALM_NETWORK, SimulatedNetwork, type NetworkFaults } from "./simulated-network.ts";
import { SimulatedTransport } from "./simulated-transport.ts";
import { ProcessClock, VirtualTime } from "./virtual-clock.ts";

interface Side {
  readonly clock: ProcessClock;
  readonly transport: SimulatedTransport;
  readonly received: string[];
  readonly events: string[];
  readonly incoming: Link[];
}

function setUp(faults: Partial<NetworkFaults> = {}) {
  const time = new VirtualTime((error) => {
    throw error;
  });
  const log = new EventLog();
  const rng = new SeededRng(7);
  const network = new SimulatedNetwork({ time, rng, log }, { ...CALM_NETWORK, ...faults });

  const start = (name: string, clusterName = "c"): Side => {
    const clock = new ProcessClock({ time, rng, wall: { skewMs: 0 } }, { timerLatenessMs: 0 });
    const deps = { time, network, log, clock, rng };
    const options = { clusterName, memberId: `id-${name}`, address: name };
    const transport = new SimulatedTransport(deps, options);
    const side: Side = { clock, transport, received: [], events: [], incoming: [] };
    const handler: TransportHandler = {
      frame: (link, bytes, from, to) => {
        side.received.push(bodyOf(bytes, from, to).toString());
        side.incoming.push(link);
      },
      linkUp: (link) => side.events.push(`up ${link.memberId}`),
      linkDown: (_, reason) => side.events.push(`down: ${reason}`),
      linkRefused: () => side.events.push("refused"),
    };
    void transport.start(handler);
    return side;
  };
  return { time, network, start };
}

function send(link: Link, text: string): boolean {
  const space = link.reserve(FRAME_HEADER_BYTES + text.length);
  if (space === undefined) return false;
  const header = { type: FrameType.control, flags: 0, keyspaceId: 0, requestId: 0 };
  encodeOpaque(space, header, Buffer.from(text));
  return true;
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, at) => String(at));

describe("the simulated transport", () => {
  it("opens a link, carries frames in order, and answers on the same link", async () => {
    const { time, start } = setUp({ delayMeanMs: 20 });
    const [a, b] = [start("a"), start("b")];
    const link = a.transport.linkTo("b", undefined);
    expect(link.reserve(20)).toBeUndefined();
    await time.runFor(200);
    expect(a.events).toEqual(["up id-b"]);
    expect(link.memberId).toBe("id-b");
    for (const text of numbers(50)) {
      send(link, text);
      await time.runFor(1);
    }
    await time.runFor(200);
    expect(b.received).toEqual(numbers(50));
    const back = b.incoming[0]!;
    expect(back.memberId).toBe("id-a");
    send(back, "answer");
    await time.runFor(200);
    expect(a.received).toEqual(["answer"]);
  });

  it("keeps trying to reach an address until somebody listens", async () => {
    const { time, start } = setUp();
    const a = start("a");
    a.transport.linkTo("b", undefined);
    await time.runFor(3000);
    expect(a.events.length).toBeGreaterThan(3);
    expect(new Set(a.events)).toEqual(new Set(["refused"]));
    start("b");
    await time.runFor(3000);
    expect(a.events.at(-1)).toBe("up id-b");
  });

  it("refuses other clusters and other members than the expected one", async () => {
    const { time, start } = setUp();
    const a = start("a");
    start("b");
    start("foreign", "other");
    a.transport.linkTo("foreign", undefined);
    a.transport.linkTo("b", "id-of-somebody-else");
    await time.runFor(1000);
    expect(a.events).toEqual([]);
    a.transport.linkTo("b", "id-b");
    await time.runFor(2000);
    expect(a.events).toEqual(["up id-b"]);
  });

  it("tells the peer of a reset at once, and of a silent death when it sends or by keep-alive", async () => {
    for (const isReset of [true, false]) {
      const { time, start } = setUp();
      const [a, b] = [start("a"), start("b")];
      const link = a.transport.linkTo("b", undefined);
      await time.runFor(100);
      b.clock.kill();
      b.transport.crashed(isReset);
      await time.runFor(100);
      expect(link.isUp).toBe(!isReset);
      await time.runFor(15_000);
      expect(link.isUp).toBe(false);
      expect(a.events[1]).toMatch(/^down/);
    }
  });

  it("holds or drops what a blocked path gets, one way only", async () => {
    for (const mode of ["hold", "drop"] as const) {
      const { time, network, start } = setUp();
      const [a, b] = [start("a"), start("b")];
      const link = a.transport.linkTo("b", undefined);
      await time.runFor(100);
      send(link, "first");
      await time.runFor(100);
      network.block("a", "b", mode);
      send(link, "blocked");
      send(b.incoming[0]!, "answer");
      await time.runFor(100);
      expect(b.received).toEqual(["first"]);
      expect(a.received).toEqual(["answer"]);
      network.unblock("a", "b");
      await time.runFor(100);
      expect(b.received).toEqual(mode === "hold" ? ["first", "blocked"] : ["first"]);
    }
  });

  it("loses, duplicates and reorders frames when told so", async () => {
    const receive = async (faults: Partial<NetworkFaults>): Promise<string[]> => {
      const { time, network, start } = setUp();
      const [a, b] = [start("a"), start("b")];
      const link = a.transport.linkTo("b", undefined);
      await time.runFor(100);
      network.faults = { ...CALM_NETWORK, ...faults };
      for (const text of numbers(200)) send(link, text);
      await time.runFor(100);
      return b.received;
    };
    const lossy = await receive({ frameLoss: 0.3 });
    expect(lossy.length).toBeGreaterThan(100);
    expect(lossy.length).toBeLessThan(180);
    const duplicated = await receive({ frameDuplication: 0.3 });
    expect(duplicated.length).toBeGreaterThan(220);
    expect(new Set(duplicated).size).toBe(200);
    const reordered = await receive({ frameReorder: 0.3 });
    expect(reordered).not.toEqual(numbers(200));
    expect(reordered.toSorted()).toEqual(numbers(200).toSorted());
  });

  it("bounds what is on its way, and frees it again", async () => {
    const { time, start } = setUp({ queueBytesMax: 100 });
    const [a, b] = [start("a"), start("b")];
    const link = a.transport.linkTo("b", undefined);
    await time.runFor(100);
    expect(send(link, "x".repeat(80))).toBe(true);
    expect(send(link, "y")).toBe(false);
    await time.runFor(100);
    expect(send(link, "z")).toBe(true);
    await time.runFor(100);
    expect(b.received.at(-1)).toBe("z");
  });

  it("closes everything on both sides when it stops", async () => {
    const { time, start } = setUp();
    const [a, b] = [start("a"), start("b")];
    const link = b.transport.linkTo("a", undefined);
    a.transport.linkTo("b", undefined);
    await time.runFor(100);
    await b.transport.stop();
    await time.runFor(100);
    expect(link.isUp).toBe(false);
    expect(b.transport.ends).toEqual([]);
    expect(b.clock.pendingTimers).toBe(0);
    expect(a.events).toContain("down: closed by the other side");
  });
});
