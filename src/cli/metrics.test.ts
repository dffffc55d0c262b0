import { expect, test } from "vitest";
import { createNode } from "../node/create-node.ts";
import { FakeAdmin } from "../http/fakes.suite.ts";
import { createRespStats } from "../resp/context.ts";
import { METRICS, createMetrics } from "./metrics.ts";

const counters = { reads: 3, writes: 2, pending: 1, inFlightBytes: 10 };

function own(text: string): string {
  return text
    .split("\n")
    .filter((line) => line.startsWith("dynaring_"))
    .join("\n");
}

test("metrics show what the member counts at the moment of asking", async () => {
  const admin = new FakeAdmin();
  const stats = createRespStats();
  const metrics = createMetrics({ admin, counters: () => counters, resp: () => stats });
  await metrics();
  stats.commandsProcessed = 7;
  expect(own(await metrics())).toMatchSnapshot();
});

test("a member that is not in a ring yet, without RESP, has the rest of them", async () => {
  const admin = new FakeAdmin();
  admin.reason = "joining";
  const metrics = createMetrics({ admin, counters: () => counters, resp: () => undefined });
  const text = own(await metrics());
  expect(text).toContain("dynaring_ready 0");
  expect(text).toContain('dynaring_operations_total{operation="reads"} 3');
  expect(text).not.toContain("dynaring_storage");
  expect(text).not.toContain("dynaring_resp");
});

test("names carry their unit, counters end in _total", () => {
  const wrong = METRICS.filter(
    ({ name, kind }) => name.endsWith("_total") !== (kind === "counter"),
  );
  expect(wrong).toEqual([]);
});

test("every operation that a node counts is shown and explained", async () => {
  const node = createNode();
  const resp = (): undefined => undefined;
  const metrics = createMetrics({ admin: node.admin, counters: () => node.counters, resp });
  const shown = [
    ...(await metrics()).matchAll(/^dynaring_operations_total\{operation="(.*?)"\}/gm),
  ];
  const row = METRICS.find(({ name }) => name === "dynaring_operations_total");
  expect(Object.keys(row?.meanings ?? {})).toEqual(shown.map(([, operation]) => operation));
  expect(row?.meanings).toHaveProperty("layoutRetries");
});
