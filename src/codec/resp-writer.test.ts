import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type RespProtocol, RespWriter } from "./resp-writer.ts";

function written(protocol: RespProtocol, fill: (writer: RespWriter) => void): string {
  const writer = new RespWriter();
  writer.protocol = protocol;
  fill(writer);
  return Buffer.from(writer.take()).toString("latin1");
}

describe("RespWriter", () => {
  test.each<[string, (writer: RespWriter) => void, string, string]>([
    ["ok", (w) => w.ok(), "+OK\r\n", "+OK\r\n"],
    ["simple", (w) => w.simple("PONG"), "+PONG\r\n", "+PONG\r\n"],
    ["error", (w) => w.error("ERR a\r\nb"), "-ERR a  b\r\n", "-ERR a  b\r\n"],
    ["bulk", (w) => w.bulk(Buffer.from("a\r\nb")), "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n"],
    ["text", (w) => w.text("é"), "$2\r\n\xc3\xa9\r\n", "$2\r\n\xc3\xa9\r\n"],
    ["nil", (w) => w.nil(), "$-1\r\n", "_\r\n"],
    ["array", (w) => w.array(2), "*2\r\n", "*2\r\n"],
    ["map", (w) => w.map(2), "*4\r\n", "%2\r\n"],
    ["set", (w) => w.set(2), "*2\r\n", "~2\r\n"],
    ["push", (w) => w.push(2), "*2\r\n", ">2\r\n"],
    ["double", (w) => w.double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n"],
    ["infinity", (w) => w.double(-Infinity), "$4\r\n-inf\r\n", ",-inf\r\n"],
    ["verbatim", (w) => w.verbatim("hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"],
  ])("%s in both dialects", (_, fill, resp2, resp3) => {
    expect(written(2, fill)).toBe(resp2);
    expect(written(3, fill)).toBe(resp3);
  });

  test("every safe integer is written as its decimal digits", () => {
    const edges = [0, 9, 10, 99, 100, 2 ** 31 - 1, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER];
    const integers = fc.oneof(fc.maxSafeInteger(), fc.constantFrom(...edges), fc.integer());
    fc.assert(
      fc.property(integers, (value) => {
        expect(written(2, (writer) => writer.integer(value))).toBe(`:${value}\r\n`);
        expect(written(2, (writer) => writer.integer(-value))).toBe(`:${0 - value}\r\n`);
      }),
      { numRuns: 500 },
    );
  });

  test("replies of any size follow each other, and taken bytes are never touched again", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(40_000), { maxLength: 12 }), fc.nat(12), (sizes, takeAt) => {
        const writer = new RespWriter();
        const taken: Uint8Array[] = [];
        let expected = "";
        for (const [index, size] of sizes.entries()) {
          if (index === takeAt) taken.push(writer.take());
          const text = String.fromCharCode(65 + index).repeat(size);
          writer.bulk(Buffer.from(text));
          expected += `$${size}\r\n${text}\r\n`;
        }
        taken.push(writer.take());
        expect(writer.sizeBytes).toBe(0);
        writer.bulk(new Uint8Array(50_000).fill(1));
        expect(Buffer.concat(taken).toString("latin1") === expected).toBe(true);
      }),
      { numRuns: 40 },
    );
  });
});
