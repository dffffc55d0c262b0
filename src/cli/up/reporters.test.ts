import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import type { MemberRow } from "./local-ring.ts";
import { JsonReporter, OperationRates, PlainReporter, memberTable } from "./reporters.ts";
import { planRing } from "./ring-plan.ts";

const members = planRing({
  nodes: 2,
  hasRacks: false,
  partitioner: "Murmur3Partitioner",
  basePort: 6400,
  directory: "data",
  isInMemory: false,
});
const facts = { members, dataDirectory: "data" };

function row(number: 1 | 2, changes: Partial<MemberRow> = {}): MemberRow {
  return {
    plan: members[number - 1]!,
    pid: 100 + number,
    state: "UN",
    loadBytes: 2048,
    ownership: 1,
    operations: 10,
    ending: undefined,
    lastLines: [],
    ...changes,
  };
}

const DEAD: Partial<MemberRow> = {
  state: "DN",
  ending: "ended by SIGKILL",
  lastLines: ["07:00:00.000 info  member.serving"],
  operations: undefined,
};

test("without a terminal every change is one plain line", () => {
  let out = "";
  const reporter = new PlainReporter((text) => void (out += text));
  reporter.starting(facts);
  reporter.ready(facts);
  reporter.rows([row(1), row(2)]);
  reporter.rows([row(1), row(2)]);
  reporter.rows([row(1), row(2, DEAD)]);
  reporter.rows([row(1), row(2, { ...DEAD, state: "UN" })]);
  reporter.stopping();
  reporter.stopped(facts);
  expect(out).toMatchSnapshot();
});

test("as JSON every change is one event", () => {
  const events: unknown[] = [];
  const reporter = new JsonReporter((text) => events.push(JSON.parse(text)));
  reporter.starting(facts);
  reporter.ready(facts);
  reporter.rows([row(1), row(2)]);
  reporter.rows([row(1), row(2)]);
  reporter.rows([row(1), row(2, DEAD)]);
  reporter.stopping();
  reporter.stopped();
  expect(events).toMatchSnapshot();
});

test("the table shows state, ports, load, ownership, rate and process of every member", () => {
  const rates = new Map([
    [1, 1234.4],
    [2, undefined],
  ]);
  const unknown = { ...DEAD, loadBytes: undefined, ownership: undefined };
  const text = stripVTControlCharacters(memberTable([row(1), row(2, unknown)], rates));
  expect(text).toMatchSnapshot();
});

test("rates come from two readings; a restart or a gap starts again", () => {
  const rates = new OperationRates();
  const at = (nowMs: number, operations: number | undefined) =>
    rates.next([row(1, { operations })], nowMs).get(1);
  expect([
    at(0, 10),
    at(2000, 30),
    at(3000, 5),
    at(4000, undefined),
    at(5000, 6),
    at(6000, 6),
  ]).toEqual([undefined, 10, undefined, undefined, undefined, 0]);
});
