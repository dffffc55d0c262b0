import { expect, test } from "vitest";
import { run } from "../tokens/run.suite.ts";

test("keys are printed with their tokens", async () => {
  const { code, out } = await run(["token", "foo", "bar"]);
  expect([code, out]).toEqual([0, "foo\t-2129773440516405919\nbar\t-7911037993560119804\n"]);
});

test("lines of standard input are keys, wherever they are cut", async () => {
  const chunks = ["fo", "o\nb", "ar"];
  const { out } = await run(["token"], chunks);
  expect(out).toBe("foo\t-2129773440516405919\nbar\t-7911037993560119804\n");
});

test("an empty line is the empty key, and the end of the last line makes no key", async () => {
  const { out } = await run(["token"], ["\nfoo\n"]);
  expect(out).toBe("\t-9223372036854775808\nfoo\t-2129773440516405919\n");
});

test("keys in hex are bytes", async () => {
  const { out } = await run(["token", "--hex", "666f6f"]);
  expect(out).toBe("666f6f\t-2129773440516405919\n");
});

test("--json prints a line each", async () => {
  const { out } = await run(["token", "--json", "foo"]);
  expect(JSON.parse(out)).toEqual({ key: "foo", token: "-2129773440516405919" });
});

test.each([
  ["random", "110673303387115207421586718101067225896"],
  ["org.apache.cassandra.dht.ByteOrderedPartitioner", "666f6f"],
  ["dynomite", "3303027599"],
  ["dynomite:crc32a", "2356372769"],
  ["redis", "12182"],
])("--partitioner %s", async (name, token) => {
  const { code, out } = await run(["token", "--partitioner", name, "foo"]);
  expect([code, out]).toEqual([0, `foo\t${token}\n`]);
});

test.each([
  [["token", "--partitioner", "md5", "k"], "'md5'"],
  [["token", "--hex", "abc"], "argument 1: 'abc'"],
])("%j is a usage error that shows what was wrong", async (args, shown) => {
  const { code, out, err } = await run(args);
  expect([code, out]).toEqual([1, ""]);
  expect(err).toContain(shown);
});

test("a bad line is named", async () => {
  const { code, err } = await run(["token", "--hex"], ["00\n11\n2x\n"]);
  expect(code).toBe(1);
  expect(err).toContain("line 3: '2x'");
});

test("a line that is no key is refused before memory runs out", async () => {
  const { code, err } = await run(["token"], [new Uint8Array(2 ** 20 + 1)]);
  expect(code).toBe(1);
  expect(err).toContain("longer than 1048576 bytes");
});
