import { expect, test } from "vitest";
import { StreamChunkWriter } from "../codec/stream-frames.ts";
import { ManualClock } from "../model/manual-clock.suite.ts";
import { OutgoingStreams } from "./outgoing-streams.ts";

/** A chunk of so many cells. */
function chunkOf(cells: number): Buffer {
  const writer = new StreamChunkWriter(1000);
  for (let cell = 0; cell < cells; cell++) {
    const version = { timestamp: 1, writer: 1, contentHash: 0, expiresAtMs: 0, isTombstone: false };
    const place = { tokenHi: 0, tokenLo: cell, key: Buffer.from("k") };
    writer.add({ ...place, ...version }, Buffer.from("v"));
  }
  return writer.finish({ cursorHi: 0, cursorLo: 0, taken: 0, isComplete: true });
}

test("a stream counts what was sent, and is over a few seconds after its last chunk", () => {
  const clock = new ManualClock();
  const streams = new OutgoingStreams({ clock });
  const chunk = chunkOf(3);
  for (const peer of ["a", "b"]) streams.sent({ peer, keyspaceId: 1 }, chunk);
  clock.advance(4000);
  streams.sent({ peer: "a", keyspaceId: 1 }, chunk);
  expect(streams.current()).toMatchObject([
    { peer: "a", keyspaceId: 1, cells: 6, bytes: 2 * chunk.length },
    { peer: "b", keyspaceId: 1, cells: 3, bytes: chunk.length },
  ]);
  clock.advance(4000);
  expect(streams.current()).toMatchObject([{ peer: "a" }]);
  clock.advance(4000);
  expect(streams.current()).toEqual([]);
});
