import { expect, test } from "vitest";
import { silentLogger } from "../model/deps.ts";
import { FakeAdmin, FakeKv } from "./fakes.suite.ts";
import { HttpServer } from "./server.ts";

const OPTIONS = {
  host: "127.0.0.1",
  port: 0,
  valueLimitBytes: 1024,
  durability: "fsync",
  releaseVersion: "0.1.0",
} as const;

function makeServer(port = 0): HttpServer {
  const deps = { kv: new FakeKv(), admin: new FakeAdmin(), logger: silentLogger };
  return new HttpServer(deps, { ...OPTIONS, port });
}

test("values travel over a socket; after stop nobody listens", async () => {
  const server = makeServer();
  await server.start();
  const url = `http://127.0.0.1:${server.port}/v1/kv/default/%FF`;
  try {
    const written = await fetch(url, { method: "PUT", body: Buffer.from([1, 2]) });
    expect(written.status).toBe(204);
    expect(Buffer.from(await (await fetch(url)).arrayBuffer())).toEqual(Buffer.from([1, 2]));
  } finally {
    await server.stop();
  }
  await expect(fetch(url)).rejects.toThrow("fetch failed");
});

test("a port that is taken is reported by its system error", async () => {
  const first = makeServer();
  await first.start();
  const second = makeServer(first.port);
  try {
    await expect(second.start()).rejects.toMatchObject({ code: "EADDRINUSE" });
  } finally {
    await second.stop();
    await first.stop();
  }
});
