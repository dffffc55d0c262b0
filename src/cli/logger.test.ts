import { expect, test } from "vitest";
import { createLogger } from "./logger.ts";

function lines(isPlain: boolean): string[] {
  const written: string[] = [];
  const destination = { write: (text: string) => written.push(text) };
  const logger = createLogger(destination, { level: "info", isPlain });
  logger.debug("not.shown");
  logger.info("member.ready", { address: "127.0.0.1:7401", note: "two words", count: 2 });
  logger.error("disk.full");
  return written;
}

test("logs are JSON lines with level, time, event and fields", () => {
  const [first, second] = lines(false).map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(first).toEqual({
    level: "info",
    time: expect.stringMatching(/^\d{4}-.*Z$/) as string,
    event: "member.ready",
    address: "127.0.0.1:7401",
    note: "two words",
    count: 2,
  });
  expect(second).toMatchObject({ level: "error", event: "disk.full" });
});

test("on a terminal they are short plain lines", () => {
  const clock = /^\d\d:\d\d:\d\d\.\d{3} /;
  expect(lines(true).map((line) => line.replace(clock, ""))).toEqual([
    'info  member.ready address=127.0.0.1:7401 note="two words" count=2\n',
    "error disk.full\n",
  ]);
});
