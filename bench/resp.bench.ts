/**
 * The RESP front end by itself: the parser and the writer in process, then whole requests over
 * loopback from redis-benchmark, with a store that does nothing. What it costs here is what the front
 * end adds to every operation of the ring.
 *
 *   npx tsx bench/resp.bench.ts           a short run
 *   npx tsx bench/resp.bench.ts large     a long one
 *
 * The store answers at once or at the end of the turn (as answers of other members do). CPU is that
 * of this process, the server, per operation; it is the steadier figure on a busy machine.
 */
import { execFile, spawnSync } from "node:child_process";
import { cpus } from "node:os";
import { promisify } from "node:util";
import Table from "cli-table3";
import { DEFAULT_RESP_LIMITS, RespParser } from "../src/codec/resp-parser.ts";
import { RespWriter } from "../src/codec/resp-writer.ts";
import { silentLogger } from "../src/model/deps.ts";
import type { KvApi, ReadSink, WriteSink } from "../src/model/kv-api.ts";
import { realClock } from "../src/node/real-clock.ts";
import { FakeKv, fakeAdmin } from "../src/resp/fakes.suite.ts";
import { RespServer } from "../src/resp/resp-server.ts";

const isLarge = process.argv[2] === "large";

function parameter<T>(small: T, large: T): T {
  return isLarge ? large : small;
}

const VALUE_BYTES = 100;
const COMMANDS_PER_CHUNK = 400;
const CHUNKS = parameter(500, 10_000);
const ROUNDS = parameter(1, 3);
const REQUESTS = parameter(200_000, 2_000_000);
/** Unpipelined runs are shorter by this factor. */
const UNPIPELINED_SHARE = 10;

const runFile = promisify(execFile);
const value = Buffer.alloc(VALUE_BYTES, "x");
const receipt = { version: undefined, answeredBy: [] };
const found = { value, version: { timestamp: 1, writer: 1 }, expiresAtMs: 0 };

/** Nanoseconds per item of `work`, which does `items` of them. */
function nanoseconds(items: number, work: () => void): number {
  work();
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start) / items;
}

function parserNanoseconds(): number {
  const one = `*3\r\n$3\r\nSET\r\n$16\r\nkey:000000012345\r\n$${VALUE_BYTES}\r\n${value.toString()}\r\n`;
  const chunk = new Uint8Array(Buffer.from(one.repeat(COMMANDS_PER_CHUNK)));
  let checksum = 0;
  const sink = {
    command: (command: { view(index: number): Uint8Array }): boolean => {
      checksum += command.view(1).length + command.view(2).length;
      return true;
    },
    protocolError: (message: string): void => {
      throw new Error(message);
    },
  };
  const parser = new RespParser({ sink }, DEFAULT_RESP_LIMITS);
  const result = nanoseconds(CHUNKS * COMMANDS_PER_CHUNK, () => {
    for (let round = 0; round < CHUNKS; round++) parser.push(chunk);
  });
  if (checksum !== 2 * CHUNKS * COMMANDS_PER_CHUNK * (16 + VALUE_BYTES))
    throw new Error("checksum");
  return result;
}

function writerNanoseconds(): number {
  const writer = new RespWriter();
  let checksum = 0;
  const result = nanoseconds(CHUNKS * COMMANDS_PER_CHUNK, () => {
    for (let round = 0; round < CHUNKS; round++) {
      for (let reply = 0; reply < COMMANDS_PER_CHUNK; reply++) writer.bulk(value);
      checksum += writer.take().length;
    }
  });
  const replyBytes = `$${VALUE_BYTES}\r\n\r\n`.length + VALUE_BYTES;
  if (checksum !== 2 * CHUNKS * COMMANDS_PER_CHUNK * replyBytes) throw new Error("checksum");
  return result;
}

/** A store that does nothing, and answers at once or when the turn ends. */
function idleStore(isLate: boolean): KvApi {
  let due: (() => void)[] = [];
  const runDue = (): void => {
    const now = due;
    due = [];
    for (const run of now) run();
  };
  const answer = (run: () => void): void => {
    if (!isLate) run();
    else if (due.push(run) === 1) setImmediate(runDue);
  };
  const fake = new FakeKv();
  return {
    read: (_, sink: ReadSink) => answer(() => sink.read(found, receipt)),
    write: (_, sink: WriteSink) => answer(() => sink.written(receipt)),
    scan: (request) => fake.scan(request),
    range: () => fake.range(),
    count: (keyspace) => fake.count(keyspace),
    nowMs: () => Date.now(),
  };
}

interface Case {
  readonly isLate: boolean;
  readonly readBufferBytes: number;
}

interface Sample {
  readonly operationsPerSecond: number;
  readonly cpuMicroseconds: number;
}

/** One run of redis-benchmark against a server in this process. */
async function measure(each: Case, command: string, pipeline: number): Promise<Sample> {
  const kv = idleStore(each.isLate);
  const server = new RespServer(
    { kv, admin: fakeAdmin(() => ["default"]), clock: realClock, logger: silentLogger },
    { host: "127.0.0.1", port: 0, readBufferBytes: each.readBufferBytes },
  );
  const { port } = await server.start();
  const requests = pipeline === 1 ? REQUESTS / UNPIPELINED_SHARE : REQUESTS;
  const load = ["-c", "50", "-P", String(pipeline), "-d", String(VALUE_BYTES), "-r", "100000"];
  const args = ["-p", String(port), "-n", String(requests), "-t", command, "--csv", ...load];
  const before = process.cpuUsage();
  const { stdout } = await runFile("redis-benchmark", args);
  const { user, system } = process.cpuUsage(before);
  await server.stop();
  const figures = stdout.trim().split("\n").at(-1)?.split(",") ?? [];
  return {
    operationsPerSecond: Number(figures[1]?.replaceAll('"', "")),
    cpuMicroseconds: (user + system) / requests,
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

console.log(`${cpus()[0]?.model ?? "?"} x ${cpus().length}, Node.js ${process.version}`);
console.log(`parser: ${parserNanoseconds().toFixed(0)} ns per SET of ${VALUE_BYTES} bytes`);
console.log(`writer: ${writerNanoseconds().toFixed(0)} ns per reply of ${VALUE_BYTES} bytes`);

const CASES: readonly Case[] = [
  { isLate: false, readBufferBytes: 65_536 },
  { isLate: false, readBufferBytes: 0 },
  { isLate: true, readBufferBytes: 65_536 },
];

async function requestTable(): Promise<string> {
  const table = new Table({
    style: { head: [], border: [], compact: true },
    head: ["answers", "reads", "command", "P", "ops/s", "CPU us/op"],
  });
  for (const command of ["set", "get"]) {
    for (const pipeline of [1, 16]) {
      const samples = CASES.map((): Sample[] => []);
      for (let round = 0; round < ROUNDS; round++) {
        for (const [index, each] of CASES.entries()) {
          samples[index]?.push(await measure(each, command, pipeline));
        }
      }
      for (const [index, { isLate, readBufferBytes }] of CASES.entries()) {
        const of = samples[index] ?? [];
        table.push([
          isLate ? "at the end of the turn" : "at once",
          readBufferBytes > 0 ? "shared buffer" : "data events",
          command,
          pipeline,
          Math.round(median(of.map(({ operationsPerSecond }) => operationsPerSecond))),
          median(of.map(({ cpuMicroseconds }) => cpuMicroseconds)).toFixed(2),
        ]);
      }
    }
  }
  return table.toString();
}

if (spawnSync("redis-benchmark", ["--version"]).error === undefined) {
  console.log(await requestTable());
} else {
  console.log("redis-benchmark is not installed: whole requests are left out");
}
