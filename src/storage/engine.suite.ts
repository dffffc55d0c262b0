/** The contract of StorageEngine: the same cases for every engine, on every disk. */
import { describe, expect, it } from "vitest";
import type { Durability } from "../model/consistency.ts";
import { contentHash } from "./content-hash.ts";
import { describeDrops } from "./drop.suite.ts";
import {
  type EngineFixture,
  WHOLE_RING,
  bytesOf,
  put,
  scanAll,
  useEngines,
  valueOf,
  write,
} from "./engine-harness.suite.ts";
import type { CellWrite, PutSink } from "./engine.ts";
import { describeScans } from "./scan.suite.ts";

export function runEngineSuite(name: string, makeFixture: () => EngineFixture): void {
  describe(`${name} as a StorageEngine`, () => {
    const { make, open, reopen, run, stored } = useEngines(makeFixture);

    describe("merging", () => {
      it("finds nothing in an empty store", async () => {
        const engine = await open();
        expect(engine.get(1, 0, 0, bytesOf("key"))).toBeUndefined();
        expect(engine.head(1, 0, 0, bytesOf("key"))).toBeUndefined();
        expect(scanAll(engine, WHOLE_RING)).toEqual([]);
      });

      it("returns a cell with everything that was put", async () => {
        const engine = await open();
        const cell = write({
          tokenHi: -5,
          tokenLo: 0xffff_fff0,
          timestamp: 1_700_000_000_123_456,
          writer: 0xffff_ffff,
          expiresAtMs: 1_800_000_000_000,
        });
        await stored(engine, cell);
        const head = {
          timestamp: 1_700_000_000_123_456,
          writer: 0xffff_ffff,
          expiresAtMs: 1_800_000_000_000,
          isTombstone: false,
          contentHash: contentHash(cell.value, cell.expiresAtMs),
          valueBytes: 5,
        };
        expect(engine.head(1, -5, 0xffff_fff0, cell.key)).toEqual(head);
        const found = engine.get(1, -5, 0xffff_fff0, cell.key);
        expect({ ...found, value: undefined }).toEqual({ ...head, value: undefined });
        expect(valueOf(engine, cell)).toBe("value");
      });

      it("shows a put before it is acknowledged", async () => {
        const engine = await open();
        const pending = put(engine, write({ value: bytesOf("now") }), "fsync");
        expect(valueOf(engine, write())).toBe("now");
        await run(pending);
      });

      const older = write({ timestamp: 5, writer: 5, value: bytesOf("older") });
      const hashes = ["x", "y"].map((text) => contentHash(bytesOf(text), 0));
      const greater = hashes[0]! > hashes[1]! ? "x" : "y";
      const lesser = greater === "x" ? "y" : "x";
      it.each<[string, CellWrite, CellWrite, string | undefined]>([
        [
          "timestamp",
          write({ ...older, timestamp: 6, writer: 1, value: bytesOf("new") }),
          older,
          "new",
        ],
        ["writer", write({ ...older, writer: 6, value: bytesOf("new") }), older, "new"],
        ["tombstone", write({ ...older, value: undefined }), older, undefined],
        [
          "content hash",
          write({ ...older, value: bytesOf(greater) }),
          write({ ...older, value: bytesOf(lesser) }),
          greater,
        ],
      ])("lets the greater %s win in either order", async (_, winner, loser, expected) => {
        const engine = await open();
        for (const [first, second] of [
          [winner, loser],
          [loser, winner],
        ] as const) {
          const key = bytesOf(first === winner ? "a" : "b");
          await stored(engine, { ...first, key });
          await stored(engine, { ...second, key });
          expect(valueOf(engine, { ...winner, key })).toBe(expected);
          expect(engine.head(1, 0, 0, key)?.isTombstone).toBe(expected === undefined);
        }
        const again = await reopen();
        expect(valueOf(again, { ...winner, key: bytesOf("a") })).toBe(expected);
        expect(valueOf(again, { ...winner, key: bytesOf("b") })).toBe(expected);
      });

      it("tells an empty value from a tombstone", async () => {
        let engine = await open();
        await stored(engine, write({ key: bytesOf("e"), value: new Uint8Array() }));
        await stored(engine, write({ key: bytesOf("t"), value: undefined }));
        for (let round = 0; round < 2; round++) {
          expect(valueOf(engine, write({ key: bytesOf("e") }))).toBe("");
          expect(engine.get(1, 0, 0, bytesOf("t"))).toMatchObject({
            isTombstone: true,
            valueBytes: 0,
          });
          expect(engine.get(1, 0, 0, bytesOf("t"))?.value).toBeUndefined();
          engine = await reopen();
        }
      });

      it("copies what it is given", async () => {
        const engine = await open();
        const cell = write({ key: bytesOf("kkk"), value: bytesOf("vvv") });
        const pending = put(engine, cell, "interval");
        cell.key.fill(0);
        cell.value!.fill(0);
        await run(pending);
        expect(valueOf(engine, write({ key: bytesOf("kkk") }))).toBe("vvv");
      });
    });

    describe("keys", () => {
      it("tells keys on one token apart", async () => {
        let engine = await open();
        const keys = ["", "a", "aa", "ab", "b", "\u0000", "b\u0000"];
        for (const key of keys)
          await stored(engine, write({ key: bytesOf(key), value: bytesOf(`<${key}>`) }));
        for (let round = 0; round < 2; round++) {
          for (const key of keys)
            expect(valueOf(engine, write({ key: bytesOf(key) }))).toBe(`<${key}>`);
          const order = scanAll(engine, WHOLE_RING).map(
            (line) => line.split(",")[2]!.split("=")[0],
          );
          expect(order).toEqual([...keys].sort());
          engine = await reopen();
        }
      });

      it("tells keyspaces apart", async () => {
        const engine = await open();
        await stored(engine, write({ keyspaceId: 0, value: bytesOf("zero") }));
        await stored(engine, write({ keyspaceId: 65_535, value: bytesOf("last") }));
        const again = await reopen();
        expect(valueOf(again, write({ keyspaceId: 0 }))).toBe("zero");
        expect(valueOf(again, write({ keyspaceId: 65_535 }))).toBe("last");
        expect(valueOf(again, write({ keyspaceId: 1 }))).toBeUndefined();
        expect(scanAll(again, WHOLE_RING, { keyspaceId: 65_535 })).toEqual(["0,0,key=last"]);
      });

      it("holds keys of 64 KiB that differ in the last byte only", async () => {
        let engine = await open();
        const keys = [1, 2, 3].map((last) => {
          const key = new Uint8Array(65_536).fill(7);
          key[65_535] = last;
          return key;
        });
        for (const key of keys)
          await stored(engine, write({ key, value: bytesOf(`v${key[65_535]}`) }));
        await stored(engine, write({ key: keys[1]!.subarray(0, 65_535), value: bytesOf("short") }));
        for (let round = 0; round < 2; round++) {
          for (const key of keys) expect(valueOf(engine, write({ key }))).toBe(`v${key[65_535]}`);
          expect(valueOf(engine, write({ key: keys[1]!.subarray(0, 65_535) }))).toBe("short");
          const values = scanAll(engine, WHOLE_RING).map((line) => line.split("=")[1]);
          expect(new Set(values)).toEqual(new Set(["short", "v1", "v2", "v3"]));
          expect(values).toHaveLength(4);
          engine = await reopen();
        }
      });

      it("holds values of 16 MiB", async () => {
        let engine = await open();
        const value = new Uint8Array(16 * 1024 * 1024).map(
          (_, index) => index * 31 + (index >>> 9),
        );
        await stored(engine, write({ value }), "fsync");
        for (let round = 0; round < 2; round++) {
          const found = engine.get(1, 0, 0, bytesOf("key"))!.value!;
          expect(Buffer.compare(found, value)).toBe(0);
          engine = await reopen();
        }
      });

      it("refuses keys and values over the limits", async () => {
        const engine = await open();
        const tooLarge = { code: "TOO_LARGE" };
        const key = new Uint8Array(65_537);
        await expect(stored(engine, write({ key }))).rejects.toMatchObject(tooLarge);
        const value = new Uint8Array(16 * 1024 * 1024 + 1);
        await expect(stored(engine, write({ value }))).rejects.toMatchObject(tooLarge);
        expect(engine.stats().cells).toBe(0);
      });
    });

    describeScans(makeFixture);

    describe("durability", () => {
      it.each<Durability>(["memory", "interval", "fsync"])(
        "acknowledges every put at %s once, also those that lose",
        async (durability) => {
          const engine = await open();
          let acknowledged = 0;
          await run(
            new Promise<void>((resolve, reject) => {
              const sink: PutSink = {
                stored: () => {
                  if (++acknowledged === 100) resolve();
                },
                putFailed: reject,
              };
              for (let number = 0; number < 100; number++) {
                const value = bytesOf(`v${number}`);
                engine.put(write({ timestamp: number % 10, value }), durability, sink);
              }
            }),
          );
          await run(engine.sync());
          expect(acknowledged).toBe(100);
        },
      );

      it("takes a put from within an acknowledgement", async () => {
        const engine = await open();
        await run(
          new Promise<void>((resolve, reject) => {
            let left = 20;
            const sink: PutSink = {
              stored: () => {
                if (left-- === 0) resolve();
                else {
                  const durability = left % 2 === 0 ? "fsync" : "interval";
                  engine.put(write({ timestamp: 100 - left }), durability, sink);
                }
              },
              putFailed: reject,
            };
            engine.put(write(), "fsync", sink);
          }),
        );
        expect(engine.head(1, 0, 0, bytesOf("key"))?.timestamp).toBe(100);
      });

      it("stores at close what is pending, and refuses afterwards", async () => {
        const engine = await open();
        const outcomes: string[] = [];
        const puts = (["memory", "interval", "fsync"] as const).map((durability) =>
          put(engine, write({ key: bytesOf(durability) }), durability).then(() =>
            outcomes.push(durability),
          ),
        );
        const closed = engine.close();
        await run(Promise.all([...puts, closed]));
        expect(outcomes.sort()).toEqual(["fsync", "interval", "memory"]);
        await expect(run(put(engine, write()))).rejects.toMatchObject({ code: "CLOSED" });
        const again = await open();
        expect(scanAll(again, WHOLE_RING)).toHaveLength(3);
      });

      it("refuses puts before it is opened", async () => {
        const engine = make();
        await expect(put(engine, write())).rejects.toMatchObject({ code: "CLOSED" });
      });
    });

    describe("opening again", () => {
      it("finds everything that was stored, newest versions only", async () => {
        let engine = await open();
        const expected: string[] = [];
        for (let number = 0; number < 300; number++) {
          const tokenHi = Math.imul(number, 0x9e37_79b1);
          const base = { tokenHi, tokenLo: number, key: bytesOf(`key ${number}`) };
          await stored(engine, write({ ...base, value: bytesOf("old") }));
          await stored(engine, write({ ...base, value: bytesOf(`v${number}`), timestamp: 2 }));
          expected.push(`${tokenHi},${number},key ${number}=v${number}`);
        }
        for (let round = 0; round < 3; round++) {
          expect(scanAll(engine, WHOLE_RING, { limit: 64 }).sort()).toEqual(expected.sort());
          expect(engine.stats()).toMatchObject({ cells: 300, tombstones: 0, corruptRecords: 0 });
          engine = await reopen();
        }
      });

      it("reports what it found", async () => {
        const engine = await open();
        await stored(engine, write({ key: bytesOf("a") }));
        await stored(engine, write({ key: bytesOf("b"), value: undefined }));
        await run(engine.close());
        const report = await run(make().open());
        expect(report).toMatchObject({ cells: 2, bytesDropped: 0 });
      });
    });

    it("counts cells, tombstones and live bytes", async () => {
      let engine = await open();
      await stored(engine, write({ key: bytesOf("abc"), value: bytesOf("12345") }));
      await stored(engine, write({ key: bytesOf("x"), value: bytesOf("1") }));
      await stored(engine, write({ key: bytesOf("x"), value: undefined, timestamp: 2 }));
      for (let round = 0; round < 2; round++) {
        const stats = engine.stats();
        expect(stats).toMatchObject({ cells: 2, tombstones: 1, liveBytes: 9, corruptRecords: 0 });
        expect(stats.diskBytes).toBeGreaterThan(0);
        engine = await reopen();
      }
    });
  });
  describeDrops(name, makeFixture);
}
