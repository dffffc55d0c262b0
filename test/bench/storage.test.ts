import { expect, it } from "vitest";
import { runStorageBench } from "../../bench/storage.bench.ts";

it("the small run of the storage benchmark finishes, and the engines agree", async () => {
  const rows = await runStorageBench({ isLarge: false, log: () => undefined });
  const [log, lmdb] = ["log", "lmdb"].map((engine) => rows.filter((row) => row.engine === engine));
  expect(log!.length).toBeGreaterThan(10);
  expect(lmdb!.map(({ name, checksum }) => [name, checksum])).toEqual(
    log!.map(({ name, checksum }) => [name, checksum]),
  );
});
