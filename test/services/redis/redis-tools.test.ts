/** The tools that come with Redis, unmodified, against real members. */
import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RingProcesses } from "../../support/ring-processes.ts";

const run = promisify(execFile);
const isInstalled = spawnSync("redis-cli", ["--version"]).error === undefined;
if (!isInstalled) console.log("skipped: redis-cli and redis-benchmark are not installed");

describe.runIf(isInstalled)("redis-cli and redis-benchmark", () => {
  let ring: RingProcesses;

  beforeAll(async () => {
    ring = await RingProcesses.startWithQuorums();
  }, 60_000);

  afterAll(async () => {
    await ring?.stop();
  });

  async function cli(member: number, ...words: string[]): Promise<string> {
    const { respPort } = ring.member(member);
    const { stdout } = await run("redis-cli", ["-p", String(respPort), ...words]);
    return stdout.trimEnd();
  }

  it("what one member is told, another one says", async () => {
    expect(await cli(1, "SET", "k", "v")).toBe("OK");
    expect(await cli(2, "GET", "k")).toBe("v");
    expect(await cli(0, "-3", "GET", "k")).toBe("v");
  });

  it("a wrong command gets Redis's words", async () => {
    expect(await cli(0, "NOSUCH", "x")).toContain("ERR unknown command 'NOSUCH'");
    expect(await cli(0, "GET")).toContain("ERR wrong number of arguments for 'get' command");
  });

  it("redis-cli --scan sees every key", async () => {
    for (let n = 0; n < 50; n++) await cli(n % 3, "SET", `scan:${n}`, "v");
    const found = (await cli(0, "--scan", "--pattern", "scan:*")).split("\n");
    expect(found.sort()).toEqual(Array.from({ length: 50 }, (_, n) => `scan:${n}`).sort());
  });

  it("redis-benchmark runs SET, GET and MSET at -P 16", async () => {
    const port = String(ring.member(0).respPort);
    const load = "-t set,get,mset -P 16 -n 20000 -r 1000 -c 20 --csv".split(" ");
    const { stdout } = await run("redis-benchmark", ["-p", port, ...load]);
    const rates = stdout
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => Number(line.replaceAll('"', "").split(",").at(-7)));
    expect(rates).toHaveLength(3);
    expect(rates.every((rate) => rate > 0)).toBe(true);
  }, 60_000);
});
