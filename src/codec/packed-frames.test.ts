import { expect, it } from "vitest";
import { decodeScanAnswer, encodeScanAnswer } from "./packed-frames.ts";

it("decodes a page that outlives the read buffer it came in", () => {
  const cell = {
    tokenHi: -5,
    tokenLo: 7,
    key: Uint8Array.of(1, 2, 3),
    timestamp: 1_790_000_000_000_000,
    writer: 9,
    expiresAtMs: 0,
    isTombstone: false,
    contentHash: 0xffff_ffff,
  };
  const buffer = Buffer.from(encodeScanAnswer({ cells: [cell], isComplete: true }));
  const decoded = decodeScanAnswer(buffer);
  buffer.fill(0xdb);
  expect(decoded).toEqual({ cells: [cell], isComplete: true, last: undefined });
});
