/** Files that older releases have written stay readable. */
import { describe, expect, it } from "vitest";
import { silentLogger } from "../../model/deps.ts";
import { bytesOf, scanAll } from "../engine-harness.suite.ts";
import { MemoryDisk } from "../memory-disk.ts";
import { VirtualClock } from "../virtual-clock.suite.ts";
import { LogEngine } from "./log-engine.ts";
import { SMALL } from "./log-setting.suite.ts";
import { segmentName } from "./segment.ts";
import { SNAPSHOT_NAME } from "./snapshot-format.ts";

describe("the stored format", () => {
  // What the first release wrote for the three cells below.
  const header = "44594e4152494e47010000000100000075da4a9ae40ea879";
  const records = [
    "6f80eac60100070003000000050000000089806090281843000000c585317a42efbeadde00000080",
    "ffffffff27159f046b657976616c75654094f739010007000000000000000000000000000000f03f",
    "00000000000000000000000005000000060000000378d8df43c40e89020007000400000000000000",
    "0000000000000040000000000000000003000000ffffff7f000000004fc12800676f6e65",
  ].join("");
  const snapshot = [
    "150000009b1deac50144594e494e44455801000000010000009c040000a4000000512d39ba020700",
    "0000000000000500000006000000000000000000f03f0000000000000000000000000378d8df0000",
    "000001000000380400000700010004000000ffffff7f000000000000000000000040000000000000",
    "0000030000004fc12800000000000100000068040000676f6e65070000000300000000000080ffff",
    "ffff0089806090281843000000c585317a42efbeadde27159f040500000001000000000400006b65",
    "7909000000f3e38161030000000000000840",
  ].join("");

  async function openStored(files: { isWithSnapshot: boolean }) {
    const clock = new VirtualClock();
    const disk = new MemoryDisk({ clock });
    const segment = disk.open(segmentName(1));
    for (const at of [0, 512]) segment.write(Buffer.from(header, "hex"), at);
    segment.write(Buffer.from(records, "hex"), 1024);
    if (files.isWithSnapshot) disk.open(SNAPSHOT_NAME).write(Buffer.from(snapshot, "hex"), 0);
    const engine = new LogEngine({ disk, clock, logger: silentLogger }, SMALL);
    return { engine, report: await clock.run(engine.open()) };
  }

  it.each([true, false])("of version 1 stays readable, snapshot: %s", async (isWithSnapshot) => {
    const { engine, report } = await openStored({ isWithSnapshot });
    expect(report).toEqual({
      cells: 3,
      bytesDropped: 0,
      fromSnapshot: isWithSnapshot,
      recordsReplayed: isWithSnapshot ? 0 : 3,
    });
    const highest = { startHi: 0x7fff_ffff, startLo: 0xffff_ffff };
    const span = { ...highest, endHi: 0x7fff_ffff, endLo: 0xffff_ffff };
    expect(scanAll(engine, span, { keyspaceId: 7 })).toEqual([
      "-2147483648,4294967295,key=value",
      "5,6,=",
      "2147483647,0,gone=-",
    ]);
    expect(engine.head(7, -0x8000_0000, 0xffff_ffff, bytesOf("key"))).toEqual({
      timestamp: 1_700_000_000_123_456,
      writer: 0xdead_beef,
      expiresAtMs: 1_800_000_000_000,
      isTombstone: false,
      contentHash: 77_534_503,
      valueBytes: 5,
    });
  });
});
