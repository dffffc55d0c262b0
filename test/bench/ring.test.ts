import { expect, it } from "vitest";
import { runRingBench } from "../../bench/ring.bench.ts";

it("the small run of the ring's benchmark finishes, and all hashes agree", async () => {
  const rows = await runRingBench({ isLarge: false, log: () => undefined });
  for (const { medianNanoseconds, samples } of rows) {
    expect(medianNanoseconds).toBeGreaterThan(0);
    expect(samples).toBeGreaterThan(0);
  }
  for (const size of [16, 36, 100]) {
    const checksums = rows
      .filter(({ name }) => name.endsWith(`, ${size} bytes`))
      .map(({ checksum }) => checksum);
    expect(checksums.length).toBeGreaterThanOrEqual(3);
    expect(new Set(checksums).size).toBe(1);
  }
  expect(rows.map(({ name }) => name.split(",")[0])).toContain("build");
});
