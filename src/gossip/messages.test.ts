import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, test } from "vitest";
import { UntrustedDataError } from "../util/untrusted.ts";
import { type GossipMessage, parseGossipMessage } from "./messages.ts";

const hex = (length: number): fc.Arbitrary<string> =>
  fc.string({
    unit: fc.nat({ max: 15 }).map((digit) => digit.toString(16)),
    minLength: length,
    maxLength: length,
  });
const ids = fc.tuple(hex(8), hex(4), hex(4), hex(4), hex(12)).map((parts) => parts.join("-"));
const numbers = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const texts = fc.string({ maxLength: 20 });
const layouts = fc.record({ counter: numbers, hash: hex(32), lineage: hex(16) });
const digests = fc.array(fc.tuple(ids, numbers, numbers), { maxLength: 5 });
const stateNames = fc.constantFrom("STATUS", "LOAD", "X_9");
const snapshots = fc.array(
  fc.record({
    id: ids,
    address: texts,
    generation: numbers,
    heartbeat: numbers,
    states: fc.array(fc.tuple(stateNames, numbers, texts), { maxLength: 4 }),
  }),
  { maxLength: 3 },
);
const offers = fc.option(
  fc.record({
    counter: numbers,
    hash: hex(32),
    lineage: hex(16),
    payload: fc.constantFrom({ a: 1 }, "x", null),
  }),
  { nil: undefined },
);
const head = {
  format: fc.constant(1 as const),
  from: fc.record({ id: ids, address: texts, generation: numbers }),
  cluster: fc.record({
    name: texts,
    partitioner: texts,
    id: fc.option(ids, { nil: undefined }),
  }),
  layout: fc.option(layouts, { nil: undefined }),
};
const messages: fc.Arbitrary<GossipMessage> = fc.oneof(
  fc.record({
    ...head,
    kind: fc.constant("syn" as const),
    dialed: texts,
    isShadow: fc.boolean(),
    digests,
  }),
  fc.record({
    ...head,
    kind: fc.constant("ack" as const),
    dialed: texts,
    isShadow: fc.boolean(),
    wanted: digests,
    states: snapshots,
    offer: offers,
  }),
  fc.record({
    ...head,
    kind: fc.constant("ack2" as const),
    states: snapshots,
    offer: offers,
  }),
);

const syn = {
  format: 1,
  kind: "syn",
  from: { id: "a0000000-0000-4000-8000-000000000001", address: "a:1", generation: 5 },
  cluster: { name: "test", partitioner: "Murmur3Partitioner" },
  dialed: "b:1",
  isShadow: false,
  digests: [["a0000000-0000-4000-8000-000000000001", 5, 17]],
};
const ack2 = {
  ...syn,
  kind: "ack2",
  states: [{ ...syn.from, heartbeat: 17, states: [["LOAD", 16, "123"]] }],
  offer: { counter: 1, hash: "0".repeat(32), lineage: "0".repeat(8), payload: { any: "thing" } },
};

describe("gossip messages", () => {
  test("each message survives its bytes", () => {
    const packr = new Packr({ useRecords: false });
    fc.assert(
      fc.property(messages, (message) => {
        expect(parseGossipMessage(packr.unpack(packr.pack(message)))).toEqual(message);
        expect(parseGossipMessage(JSON.parse(JSON.stringify(message)))).toEqual(message);
      }),
    );
  });

  test("what newer members add is ignored", () => {
    const parsed = parseGossipMessage({ ...syn, mood: "fine" });
    expect(parsed).toEqual(parseGossipMessage(syn));
  });

  test.each<[string, unknown]>([
    ["gossip", null],
    ["gossip", [syn]],
    ["gossip.format", { ...syn, format: 2 }],
    ["gossip.kind", { ...syn, kind: "nack" }],
    ["gossip.from", { ...syn, from: undefined }],
    ["gossip.from.id", { ...syn, from: { ...syn.from, id: "me" } }],
    ["gossip.from.address", { ...syn, from: { ...syn.from, address: "x".repeat(301) } }],
    ["gossip.from.generation", { ...syn, from: { ...syn.from, generation: -1 } }],
    ["gossip.cluster.name", { ...syn, cluster: { partitioner: "p" } }],
    ["gossip.cluster.id", { ...syn, cluster: { ...syn.cluster, id: 7 } }],
    ["gossip.layout.hash", { ...syn, layout: { counter: 1, hash: "0".repeat(31) } }],
    [
      "gossip.layout.lineage",
      { ...syn, layout: { counter: 1, hash: "0".repeat(32), lineage: "0".repeat(7) } },
    ],
    ["gossip.layout.counter", { ...syn, layout: { counter: 1.5, hash: "0".repeat(32) } }],
    ["gossip.dialed", { ...syn, dialed: 5 }],
    ["gossip.isShadow", { ...syn, isShadow: "no" }],
    ["gossip.digests", { ...syn, digests: {} }],
    ["gossip.digests", { ...syn, digests: Array.from({ length: 10_001 }) }],
    ["gossip.digests[0]", { ...syn, digests: [7] }],
    ["gossip.digests[0].version", { ...syn, digests: [[syn.from.id, 1, "2"]] }],
    ["gossip.states", { ...ack2, states: undefined }],
    ["gossip.states[0].heartbeat", { ...ack2, states: [{ ...syn.from, states: [] }] }],
    [
      "gossip.states[0].states[0].name",
      { ...ack2, states: [{ ...syn.from, heartbeat: 1, states: [["__proto__", 1, "x"]] }] },
    ],
    [
      "gossip.states[0].states",
      {
        ...ack2,
        states: [{ ...syn.from, heartbeat: 1, states: Array.from({ length: 65 }) }],
      },
    ],
    [
      "gossip.states[0].states[0].value",
      { ...ack2, states: [{ ...syn.from, heartbeat: 1, states: [["A", 1, "x".repeat(65_537)]] }] },
    ],
    ["gossip.offer.hash", { ...ack2, offer: { counter: 1 } }],
    ["gossip.wanted", { ...ack2, kind: "ack" }],
  ])("what is wrong at %s is refused there", (path, data) => {
    expect(() => parseGossipMessage(data)).toThrowError(expect.objectContaining({ path }));
    expect(() => parseGossipMessage(data)).toThrowError(UntrustedDataError);
  });

  test("garbage is refused, whatever it is", () => {
    fc.assert(
      fc.property(fc.anything(), (garbage) => {
        expect(() => parseGossipMessage(garbage)).toThrowError(UntrustedDataError);
      }),
    );
  });
});
