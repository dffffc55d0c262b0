import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type Server, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parse } from "yaml";
import { parseNodeOptions } from "../../node/options.ts";
import { requireFreePorts } from "./ports.ts";
import { readManifest, shapeOf, writeRingFiles } from "./ring-directory.ts";
import { type RingOptions, planRing } from "./ring-plan.ts";

const partitioner = "Murmur3Partitioner";
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "dynaring-test-"));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

function plan(changes: Partial<RingOptions> = {}) {
  return planRing({
    nodes: 3,
    hasRacks: false,
    partitioner,
    basePort: 6400,
    directory,
    isInMemory: false,
    ...changes,
  });
}

test("member i listens on 640i for Redis, 740i for members, 840i for HTTP, on loopback", () => {
  const members = plan();
  expect(
    members.map(({ respPort, internodePort, httpPort }) => [respPort, internodePort, httpPort]),
  ).toEqual([
    [6401, 7401, 8401],
    [6402, 7402, 8402],
    [6403, 7403, 8403],
  ]);
  const options = members.map(({ config }) => parseNodeOptions(config));
  expect(
    options.map(({ internode, resp, http }) => [internode, resp, http].map((l) => l?.host)),
  ).toEqual(Array.from({ length: 3 }, () => ["127.0.0.1", "127.0.0.1", "127.0.0.1"]));
  expect(options.map(({ rack, seeds }) => [rack, seeds])).toEqual(
    Array.from({ length: 3 }, () => ["rack1", ["127.0.0.1:7401"]]),
  );
});

test("the base port shifts all of them, racks differ if asked, memory has no directory", () => {
  const [first, second] = plan({ basePort: 16_400, hasRacks: true, isInMemory: true });
  expect([first!.respPort, first!.internodePort, first!.httpPort]).toEqual([
    16_401, 17_401, 18_401,
  ]);
  expect(first!.config).toMatchObject({ rack: "rack1", seeds: ["127.0.0.1:17401"] });
  expect(second!.config).toMatchObject({ rack: "rack2", seeds: ["127.0.0.1:17401"] });
  expect(first!.config["dataDirectory"]).toBeUndefined();
});

test("files of members hold their configuration, the manifest the shape of the ring", () => {
  const members = plan({ nodes: 2 });
  writeRingFiles(directory, { nodes: 2, hasRacks: false, partitioner }, members);
  expect(readManifest(directory)).toEqual({ nodes: 2, hasRacks: false, partitioner });
  for (const { configFile, config } of members) {
    expect(parse(readFileSync(configFile, "utf8"))).toEqual(config);
  }
});

test("a directory that holds a ring decides its shape, and refuses another", () => {
  expect(shapeOf(directory, {})).toEqual({ nodes: 3, hasRacks: false, partitioner });
  expect(shapeOf(directory, { nodes: 5, hasRacks: true })).toEqual({
    nodes: 5,
    hasRacks: true,
    partitioner,
  });
  writeRingFiles(directory, { nodes: 5, hasRacks: false, partitioner }, []);
  expect(shapeOf(directory, {})).toEqual({ nodes: 5, hasRacks: false, partitioner });
  expect(shapeOf(directory, { nodes: 5 })).toEqual({ nodes: 5, hasRacks: false, partitioner });
  const detail = { nodes: 5, hasRacks: false };
  expect(() => shapeOf(directory, { nodes: 3 })).toThrow(
    expect.objectContaining({ exit: "usage", detail: expect.objectContaining(detail) as unknown }),
  );
  expect(() => shapeOf(directory, { hasRacks: true })).toThrow(
    expect.objectContaining({ exit: "usage" }),
  );
  expect(() => shapeOf(directory, { partitioner: "RandomPartitioner" })).toThrow(
    /holds a ring of Murmur3Partitioner, --partitioner asks for RandomPartitioner/,
  );
});

test("a ring from before partitioners could be chosen is one of Murmur3", () => {
  writeFileSync(join(directory, "ring.json"), '{"nodes":2,"hasRacks":false}');
  expect(readManifest(directory)).toEqual({ nodes: 2, hasRacks: false, partitioner });
});

test("members of an ordered ring draw their tokens", () => {
  for (const { config } of plan({ partitioner: "ByteOrderedPartitioner" })) {
    expect(parseNodeOptions(config)).toMatchObject({
      partitioner: "ByteOrderedPartitioner",
      allocator: "random",
    });
  }
  expect(plan()[0]!.config).not.toHaveProperty("allocator");
});

test("a manifest that cannot be read is an error and not an empty directory", () => {
  writeFileSync(join(directory, "ring.json"), "{");
  expect(() => readManifest(directory)).toThrow(expect.objectContaining({ exit: "failed" }));
});

test("a port that is taken is named with its use, its member and the flag that shifts it", async () => {
  const server = await listening();
  const { port } = server.address() as { port: number };
  const members = [{ ...plan()[1]!, respPort: 0, internodePort: 0, httpPort: port }];
  try {
    await expect(requireFreePorts(members)).rejects.toMatchObject({
      exit: "failed",
      detail: { port, member: 2 },
      message: expect.stringContaining("--base-port") as string,
    });
  } finally {
    server.close();
  }
  await expect(requireFreePorts([{ ...members[0]!, httpPort: 0 }])).resolves.toBeUndefined();
});

function listening(): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen({ host: "127.0.0.1", port: 0 }, () => resolve(server));
  });
}
