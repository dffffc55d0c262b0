import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLogger } from "../model/deps.ts";
import type { NodeOptionsInput } from "../node/options-table.ts";
import { parseNodeOptions } from "../node/options.ts";
import { MemberClient } from "./client.ts";
import { MemberServer } from "./server.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "dynaring-test-"));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

const ANY = { port: 0 };

function make(options: NodeOptionsInput = {}): MemberServer {
  const all = { internode: ANY, resp: ANY, http: ANY, ...options };
  return new MemberServer({ logger: silentLogger }, parseNodeOptions(all));
}

test("a member serves on all its ports, tells them to others, and stops", async () => {
  const server = make();
  await server.start();
  const { http, resp, internode } = server.addresses();
  const client = new MemberClient(globalThis.fetch, `http://${http}`);
  try {
    const { members } = await client.status();
    expect(members).toMatchObject([
      { address: internode, respAddress: resp, httpAddress: http, isUp: true, state: "NORMAL" },
    ]);
    await client.createKeyspace({
      name: "k",
      replication: { class: "SimpleStrategy", options: { replication_factor: "1" } },
    });
    const url = `http://${http}/v1/kv/k/%FF`;
    expect((await fetch(url, { method: "PUT", body: "v" })).status).toBe(204);
    expect(await (await fetch(url)).text()).toBe("v");
    expect(await client.metrics()).toContain('dynaring_operations_total{operation="writes"} 1');
  } finally {
    await server.stop();
  }
  expect(await client.readiness()).toMatchObject({ isReady: false });
});

test("data are found again after a stop", async () => {
  const options = { dataDirectory: directory, resp: undefined };
  const first = make(options);
  await first.start();
  const client = new MemberClient(globalThis.fetch, `http://${first.addresses().http}`);
  const { clusterId } = await client.info();
  await first.stop();
  const second = make(options);
  await second.start();
  try {
    const again = new MemberClient(globalThis.fetch, `http://${second.addresses().http}`);
    expect(await again.info()).toMatchObject({ clusterId });
  } finally {
    await second.stop();
  }
});

test.each(["http", "resp", "internode"] as const)(
  "a taken %s port is named with the options that choose another",
  async (section) => {
    const first = make();
    await first.start();
    const port = Number(first.addresses()[section]?.split(":").at(-1));
    try {
      await expect(make({ [section]: { port } }).start()).rejects.toMatchObject({
        exit: "failed",
        message: expect.stringContaining(`--${section}-port`) as string,
        detail: { place: `127.0.0.1:${port}` },
      });
    } finally {
      await first.stop();
    }
  },
);

test("a data directory that cannot be made is a failure and no bug", () => {
  const file = join(directory, "file");
  writeFileSync(file, "");
  expect(() => make({ dataDirectory: join(file, "data") })).toThrow(
    expect.objectContaining({ exit: "failed" }),
  );
});
