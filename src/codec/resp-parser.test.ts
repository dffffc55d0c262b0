import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DEFAULT_RESP_LIMITS, type RespLimits, RespParser } from "./resp-parser.ts";

type Outcome = { commands: string[][]; error: string | undefined };

/** Parses `input` cut at the given positions. */
function parse(
  input: Uint8Array,
  cuts: readonly number[],
  limits: Partial<RespLimits> = {},
): Outcome {
  const outcome: Outcome = { commands: [], error: undefined };
  const parser = new RespParser(
    {
      sink: {
        command: (command) => {
          outcome.commands.push(
            Array.from({ length: command.count }, (_, index) => latin1(command.view(index))),
          );
          return true;
        },
        protocolError: (message) => {
          expect(outcome.error).toBeUndefined();
          outcome.error = message;
        },
      },
    },
    { ...DEFAULT_RESP_LIMITS, ...limits },
  );
  let start = 0;
  for (const cut of [...cuts, input.length]) {
    // A buffer of its own for every piece, spoiled afterwards: views must not outlive the push.
    const piece = input.slice(start, cut);
    parser.push(piece);
    piece.fill(0xff);
    start = cut;
  }
  return outcome;
}

/** The dumb second implementation: whole input, strings, and an exception where input ends. */
function parseWhole(text: string): Outcome {
  const outcome: Outcome = { commands: [], error: undefined };
  let rest = text;
  const takeLine = (): string | undefined => {
    const end = rest.indexOf("\n");
    if (end < 0) return undefined;
    const line = rest.slice(0, end).replace(/\r$/, "");
    rest = rest.slice(end + 1);
    return line;
  };
  for (;;) {
    const isArray = rest.startsWith("*");
    const head = takeLine();
    if (head === undefined) return outcome;
    if (!isArray) {
      const words = head.split(" ").filter((word) => word !== "");
      if (words.length > 0) outcome.commands.push(words);
      continue;
    }
    const words: string[] = [];
    for (let index = 0; index < Number(head.slice(1)); index++) {
      const size = takeLine();
      if (size === undefined) return outcome;
      const length = Number(size.slice(1));
      if (rest.length < length + 2) return outcome;
      words.push(rest.slice(0, length));
      rest = rest.slice(length + 2);
    }
    if (words.length > 0) outcome.commands.push(words);
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "latin1"));
}

const word = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map(latin1),
  fc.constantFrom("", "\r\n", "*1\r\n", "$3\r\n", "get", "SET"),
);
const bulkCommand = fc
  .array(word, { maxLength: 6 })
  .map((words) => `*${words.length}\r\n${words.map((w) => `$${w.length}\r\n${w}\r\n`).join("")}`);
const inlineCommand = fc
  .tuple(
    fc.array(fc.stringMatching(/^[a-z0-9:]{1,8}$/), { maxLength: 4 }),
    fc.constantFrom("\r\n", "\n", " \r\n"),
  )
  .map(([words, end]) => words.join(" ") + end);
const pipeline = fc.array(fc.oneof(bulkCommand, inlineCommand), { maxLength: 8 });

describe("RespParser", () => {
  test("a pipeline cut at every byte gives the commands of the whole", () => {
    fc.assert(
      fc.property(pipeline, (commands) => {
        const text = commands.join("");
        const input = bytesOf(text);
        const expected = parseWhole(text);
        expect(parse(input, [])).toEqual(expected);
        for (let cut = 0; cut <= input.length; cut++) {
          expect(parse(input, [cut])).toEqual(expected);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("a pipeline that comes byte by byte gives the commands of the whole", () => {
    fc.assert(
      fc.property(pipeline, (commands) => {
        const text = commands.join("");
        const cuts = Array.from({ length: text.length }, (_, index) => index);
        expect(parse(bytesOf(text), cuts)).toEqual(parseWhole(text));
      }),
    );
  });

  test("random bytes give the same commands and the same error however they are cut", () => {
    const noise = fc.array(
      fc.oneof(
        {
          weight: 3,
          arbitrary: fc.constantFrom("*", "$", "\r\n", "\n", "-", "1", "2", "30", '"', "'"),
        },
        { weight: 1, arbitrary: fc.uint8Array({ maxLength: 4 }).map(latin1) },
        { weight: 1, arbitrary: bulkCommand },
      ),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(noise, fc.array(fc.nat(60), { maxLength: 5 }), (parts, positions) => {
        const input = bytesOf(parts.join(""));
        const cuts = positions.map((at) => Math.min(at, input.length)).toSorted((a, b) => a - b);
        const limits = {
          maxInlineBytes: 40,
          maxArguments: 20,
          maxBulkBytes: 25,
          maxCommandBytes: 99,
        };
        expect(parse(input, cuts, limits)).toEqual(parse(input, [], limits));
      }),
      { numRuns: 2000 },
    );
  });

  test("a refused command is offered again with everything after it", () => {
    fc.assert(
      fc.property(pipeline, fc.array(fc.boolean()), fc.nat(50), (commands, refusals, cutAt) => {
        const text = commands.join("");
        const input = bytesOf(text);
        const answers = [...refusals];
        const seen: string[][] = [];
        let isRefused = false;
        const parser = new RespParser(
          {
            sink: {
              command: (command) => {
                isRefused = answers.shift() === true;
                if (isRefused) return false;
                seen.push(Array.from({ length: command.count }, (_, i) => latin1(command.copy(i))));
                return true;
              },
              protocolError: () => expect.unreachable(),
            },
          },
          DEFAULT_RESP_LIMITS,
        );
        const cut = Math.min(cutAt, input.length);
        parser.push(input.slice(0, cut));
        parser.push(input.slice(cut));
        while (isRefused) parser.resume();
        expect(seen).toEqual(parseWhole(text).commands);
      }),
    );
  });

  test("quotes and escapes of inline commands are read as Redis reads them", () => {
    const line = (text: string): string[] | undefined =>
      parse(bytesOf(`${text}\r\n`), []).commands[0];
    expect(line("set \"a b\" 'c d'")).toEqual(["set", "a b", "c d"]);
    expect(line('echo "\\x41\\n\\r\\t\\b\\a\\"\\\\\\q"')).toEqual(["echo", 'A\n\r\t\b\x07"\\q']);
    expect(line("echo 'it\\'s \\n'")).toEqual(["echo", "it's \\n"]);
    expect(line('echo ""')).toEqual(["echo", ""]);
    expect(line('echo a"b c"')).toEqual(["echo", "ab c"]);
    expect(line("\t echo \t x ")).toEqual(["echo", "x"]);
    for (const broken of ['echo "a', "echo 'a", 'echo "a"b', "echo 'a'b", '"\\']) {
      expect(parse(bytesOf(`${broken}\r\n`), []).error).toBe(
        "ERR Protocol error: unbalanced quotes in request",
      );
    }
  });

  test.each([
    ["*x\r\n", "invalid multibulk length"],
    ["*21\r\n", "invalid multibulk length"],
    ["*99999999999999999999\r\n", "invalid multibulk length"],
    ["*\r\n", "invalid multibulk length"],
    ["*1\rx", "invalid multibulk length"],
    ["*1\r\n:1\r\n", "expected '$', got ':'"],
    ["*1\r\n$-1\r\n", "invalid bulk length"],
    ["*1\r\n$x\r\n", "invalid bulk length"],
    ["*1\r\n$26\r\n", "invalid bulk length"],
    ["*1\r\n$3\r\nabcde", "expected CRLF after a bulk string"],
    [
      "*9\r\n" + "$25\r\n".padEnd(32, "x") + "\r\n" + "$25\r\n".padEnd(32, "x"),
      "expected CRLF after a bulk string",
    ],
    ["x".repeat(41), "too big inline request"],
    [`${"x".repeat(41)}\r\n`, "too big inline request"],
  ])("%j is a protocol error: %s", (text, message) => {
    const limits = { maxInlineBytes: 40, maxArguments: 20, maxBulkBytes: 25, maxCommandBytes: 200 };
    expect(parse(bytesOf(text), [], limits)).toEqual({
      commands: [],
      error: `ERR Protocol error: ${message}`,
    });
  });

  test("a command over the limit of its bytes is an error before its last argument comes", () => {
    const limits = { maxCommandBytes: 50, maxBulkBytes: 40 };
    const text = `*2\r\n$20\r\n${"x".repeat(20)}\r\n$20\r\n`;
    expect(parse(bytesOf(text), [], limits).error).toBe(
      "ERR Protocol error: command is longer than 50 bytes",
    );
  });

  test("empty commands are skipped", () => {
    const text = "*0\r\n*-1\r\n\r\n\n  \r\nPING\r\n";
    expect(parse(bytesOf(text), [])).toEqual({ commands: [["PING"]], error: undefined });
  });

  test("nothing is parsed after an error or after stop", () => {
    expect(parse(bytesOf("*x\r\nPING\r\n"), [4]).commands).toEqual([]);
    const seen: string[] = [];
    const parser = new RespParser(
      {
        sink: {
          command: (command) => {
            seen.push(command.text(0));
            parser.stop();
            return true;
          },
          protocolError: () => expect.unreachable(),
        },
      },
      DEFAULT_RESP_LIMITS,
    );
    parser.push(bytesOf("QUIT\r\nPING\r\n"));
    parser.push(bytesOf("PING\r\n"));
    expect(seen).toEqual(["QUIT"]);
    expect(parser.pendingBytes).toBe(0);
  });

  test("a large value in many pieces is kept once and released afterwards", () => {
    const value = new Uint8Array(300_000).map((_, index) => index % 251);
    const head = bytesOf(`*2\r\n$4\r\necho\r\n$${value.length}\r\n`);
    const sizes: number[] = [];
    const parser = new RespParser(
      {
        sink: {
          command: (command) => {
            expect(Buffer.compare(command.view(1), value)).toBe(0);
            sizes.push(command.sizeBytes(1));
            return true;
          },
          protocolError: () => expect.unreachable(),
        },
      },
      DEFAULT_RESP_LIMITS,
    );
    for (let round = 0; round < 2; round++) {
      parser.push(head);
      for (let at = 0; at < value.length; at += 7001) parser.push(value.slice(at, at + 7001));
      expect(parser.pendingBytes).toBe(head.length + value.length);
      parser.push(bytesOf("\r\n"));
      expect(parser.pendingBytes).toBe(0);
    }
    expect(sizes).toEqual([value.length, value.length]);
  });
});
