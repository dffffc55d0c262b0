/**
 * The ring by itself: hashing a key to a token, finding its replicas, building the table of replicas.
 *
 *   npx tsx bench/ring.bench.ts           a short run
 *   npx tsx bench/ring.bench.ts large     a long one, with 1000 members of 256 tokens
 *
 * Hashes stand beside the tokenizer of cassandra-driver, what a Node.js client of Cassandra has, and
 * beside the native addon `murmurhash-native` if it can be loaded. It needs a compiler, so it is no
 * dependency: `npm install murmurhash-native` in some folder, and run this with NODE_PATH set to the
 * `node_modules` in there. All work on the same keys and must come to the same checksum of tokens.
 *
 * Lookups go through tokens drawn before: a thousand over and over, as hot keys are, or a quarter of
 * a million, so that nearly every lookup reads memory that no lookup shortly before has read. Each is
 * measured to the id of the replica set, all that a coordinator needs, and to the object of the set.
 * The objects of the large ring fill tens of megabytes, and a random one of them has
 * to be waited for. The floor beside them is one read at a random place of an array with a number for
 * each token: no lookup can do with less.
 *
 * Figures are nanoseconds (builds: milliseconds) per operation, median of the samples.
 */
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { pathToFileURL } from "node:url";
import { Bench } from "tinybench";
import {
  type PlacementMember,
  type ReplicaTable,
  buildReplicaTable,
} from "../src/placement/replica-table.ts";
import { parseReplication } from "../src/placement/strategy.ts";
import { Murmur3, createHalvesMurmur3 } from "../src/ring/murmur3.ts";
import { createWasmMurmur3 } from "../src/ring/murmur3-wasm.ts";
import { SeededRng } from "../src/util/random.ts";
import { randomTokens } from "../src/ring/tokens.ts";

export interface RingBenchRow {
  readonly name: string;
  readonly medianNanoseconds: number;
  readonly samples: number;
  /** Of what the work came to: equal work has equal checksums, on every machine. */
  readonly checksum: number;
}

export interface RingBenchOptions {
  readonly isLarge: boolean;
  readonly log: (line: string) => void;
}

interface Parameters {
  readonly members: number;
  readonly tokensPerMember: number;
  readonly timeMs: number;
}

type Work = () => number;
type HashToHalves = (key: Buffer) => { readonly hi: number; readonly lo: number };

const KEY_COUNT = 256;
const KEY_SIZES = [16, 36, 100];
/** Few enough that most samples are not interrupted by other programs. */
const LOOKUPS = 1024;
const LOOKUP_TOKENS = [
  { name: "hot", count: LOOKUPS },
  { name: "random", count: 2 ** 18 },
] as const;
const DATACENTERS = ["dc1"];
const RACKS = 3;

/** Runs everything, one after the other. */
export async function runRingBench(options: RingBenchOptions): Promise<readonly RingBenchRow[]> {
  const parameters = parametersOf(options.isLarge);
  const rows: RingBenchRow[] = [];
  for (const size of KEY_SIZES) {
    const keys = makeKeys(size);
    for (const [name, hash] of hashers(options.log)) {
      const work = (): number => keys.reduce((sum, key) => mix(sum, hash(key)), 0);
      const subject = { name: `${name}, ${size} bytes`, perRun: KEY_COUNT, work };
      rows.push(await measure(subject, parameters));
    }
  }
  rows.push(...(await measureTables(parameters)));
  return rows;
}

function parametersOf(isLarge: boolean): Parameters {
  const parameter = <T>(small: T, large: T): T => (isLarge ? large : small);
  return {
    members: parameter(20, 1000),
    tokensPerMember: parameter(16, 256),
    timeMs: parameter(20, 1000),
  };
}

async function measureTables(parameters: Parameters): Promise<readonly RingBenchRow[]> {
  const { members, tokensPerMember } = parameters;
  const input = { members: makeMembers(parameters), replication: networkTopology() };
  const table = buildReplicaTable(input);
  const size = `${members} x ${tokensPerMember} tokens, RF 3`;
  const rows: RingBenchRow[] = [];
  for (const { name, count } of LOOKUP_TOKENS) {
    const tokens = makeTokens(count);
    for (const [what, work] of lookups(table, tokens, members * tokensPerMember)) {
      const subject = { name: `${what}, ${name}, ${size}`, perRun: LOOKUPS, work };
      rows.push(await measure(subject, parameters));
    }
  }
  const build = (): number => buildReplicaTable(input).setCount;
  rows.push(await measure({ name: `build, ${size}`, perRun: 1, work: build }, parameters));
  return rows;
}

interface Tokens {
  readonly hi: Int32Array;
  readonly lo: Uint32Array;
}

function makeTokens(count: number): Tokens {
  const rng = new SeededRng(2);
  return {
    hi: Int32Array.from({ length: count }, () => rng.uint32()),
    lo: Uint32Array.from({ length: count }, () => rng.uint32()),
  };
}

/** What is looked up: at each run for the next thousand of the tokens. */
function lookups(
  table: ReplicaTable,
  { hi, lo }: Tokens,
  tokenCount: number,
): readonly (readonly [string, Work])[] {
  const sum = (read: (at: number) => number): Work => {
    const sumFrom = (start: number): number => {
      let total = 0;
      for (let at = start; at < start + LOOKUPS; at++) total += read(at);
      return total;
    };
    const sums = Array.from({ length: hi.length / LOOKUPS }, (_, run) => sumFrom(run * LOOKUPS));
    const checksum = sums.reduce((all, one) => all + one, 0);
    let run = 0;
    return () => {
      run = (run + 1) % sums.length;
      if (sumFrom(run * LOOKUPS) !== sums[run]) throw new Error("a lookup changed its result");
      return checksum;
    };
  };
  const numbers = new Int32Array(tokenCount).fill(1);
  const places = Int32Array.from(hi, (half) => (half >>> 0) % tokenCount);
  const idAt = (at: number): number => table.setIdOf(hi[at] ?? 0, lo[at] ?? 0);
  return [
    ["floor: one read", sum((at) => numbers[places[at] ?? 0] ?? 0)],
    ["lookup of the id", sum(idAt)],
    ["lookup of the object", sum((at) => table.lookup(hi[at] ?? 0, lo[at] ?? 0).members.length)],
  ];
}

async function measure(
  subject: { readonly name: string; readonly perRun: number; readonly work: Work },
  { timeMs }: Parameters,
): Promise<RingBenchRow> {
  const bench = new Bench({ time: timeMs, warmupTime: timeMs / 2, iterations: 5 });
  let checksum = 0;
  bench.add(subject.name, () => {
    checksum = subject.work();
  });
  await bench.run();
  const result = bench.tasks[0]?.result;
  if (result?.state !== "completed") throw new Error(`${subject.name}: ${result?.state}`);
  const { p50, samplesCount } = result.latency;
  return {
    name: subject.name,
    medianNanoseconds: (p50 * 1e6) / subject.perRun,
    samples: samplesCount,
    checksum,
  };
}

function mix(sum: number, token: { readonly hi: number; readonly lo: number }): number {
  return (Math.imul(sum, 31) + (token.hi ^ token.lo)) | 0;
}

/** Every implementation as a function to halves. */
function hashers(log: (line: string) => void): readonly (readonly [string, HashToHalves])[] {
  const list: (readonly [string, HashToHalves])[] = [];
  const wasm = createWasmMurmur3();
  if (wasm === undefined) log("murmur3 wasm: skipped, this host has no WebAssembly");
  else list.push(["murmur3 wasm", hashWith(new Murmur3(wasm))]);
  list.push(["murmur3 plain", hashWith(new Murmur3(createHalvesMurmur3()))]);
  list.push(["cassandra-driver", driverHash()]);
  const native = nativeHash();
  if (native === undefined)
    log("murmurhash-native: skipped, it cannot be loaded (see the head of the bench)");
  else list.push(["murmurhash-native (standard tail)", native]);
  return list;
}

function hashWith(murmur3: Murmur3): HashToHalves {
  return (key) => {
    murmur3.hash(key, 0, key.length);
    return murmur3;
  };
}

function driverHash(): HashToHalves {
  const { Murmur3Tokenizer } = createRequire(import.meta.url)(
    "cassandra-driver/lib/tokenizer.js",
  ) as { Murmur3Tokenizer: new () => DriverTokenizer };
  const tokenizer = new Murmur3Tokenizer();
  return (key) => {
    const token = tokenizer.hash(key).getValue();
    return { hi: token.getHighBitsUnsigned() | 0, lo: token.getLowBitsUnsigned() };
  };
}

interface DriverTokenizer {
  hash(key: Buffer): {
    getValue(): { getHighBitsUnsigned(): number; getLowBitsUnsigned(): number };
  };
}

/** The addon hashes bytes from 0x80 in the tail by the standard, not as Cassandra does. */
function nativeHash(): HashToHalves | undefined {
  try {
    const { murmurHash128x64 } = createRequire(import.meta.url)("murmurhash-native") as {
      murmurHash128x64: (key: Buffer, output: Buffer) => Buffer;
    };
    const output = Buffer.alloc(16);
    return (key) => {
      murmurHash128x64(key, output);
      return { hi: output.readInt32BE(0), lo: output.readUInt32BE(4) };
    };
  } catch {
    return undefined;
  }
}

function makeKeys(size: number): readonly Buffer[] {
  const rng = new SeededRng(size);
  // ASCII, so that the native addon's tail gives the same tokens.
  const text = (): string => String.fromCharCode(33 + (rng.uint32() % 90));
  return Array.from({ length: KEY_COUNT }, () =>
    Buffer.from(Array.from({ length: size }, text).join("")),
  );
}

function makeMembers({ members, tokensPerMember }: Parameters): readonly PlacementMember[] {
  const rng = new SeededRng(1);
  return Array.from({ length: members }, (_, index) => ({
    dc: "dc1",
    rack: `r${index % RACKS}`,
    tokens: randomTokens(rng, tokensPerMember, new Set()),
  }));
}

function networkTopology(): ReturnType<typeof parseReplication> {
  const options = { class: "NetworkTopologyStrategy", options: { dc1: "3" } };
  return parseReplication(options, DATACENTERS);
}

async function main(): Promise<void> {
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  const processor = `${cpus().length} x ${cpus()[0]?.model.trim()}`;
  console.log(`${processor}, Node.js ${process.version}, commit ${commit}`);
  const skipped = new Set<string>();
  const isLarge = process.argv[2] === "large";
  const rows = await runRingBench({ isLarge, log: (line) => skipped.add(line) });
  for (const line of skipped) console.log(line);
  for (const { name, medianNanoseconds, samples, checksum } of rows) {
    const isSlow = medianNanoseconds > 1e5;
    const figure = isSlow ? medianNanoseconds / 1e6 : medianNanoseconds;
    const unit = isSlow ? "ms" : "ns";
    console.log(
      `${name.padEnd(56)} ${figure.toFixed(1).padStart(8)} ${unit}  ${samples} samples, checksum ${checksum}`,
    );
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main();
