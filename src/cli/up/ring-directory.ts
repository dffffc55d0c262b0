/** The directory of a local ring: what it was made for, and the files of its members. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { z } from "zod";
import { CliError } from "../exit-codes.ts";
import type { MemberPlan } from "./ring-plan.ts";

/** What members with data cannot change by being started otherwise. */
export interface RingManifest {
  readonly nodes: number;
  readonly hasRacks: boolean;
  /** In full. */
  readonly partitioner: string;
}

const DEFAULT_PARTITIONER = "Murmur3Partitioner";

const manifestSchema: z.ZodType<RingManifest> = z.object({
  nodes: z.int(),
  hasRacks: z.boolean(),
  partitioner: z.string().default(DEFAULT_PARTITIONER),
});

const MANIFEST = "ring.json";

/** The shape of the ring that a directory holds; undefined if it holds none. */
export function readManifest(directory: string): RingManifest | undefined {
  const file = join(directory, MANIFEST);
  if (!existsSync(file)) return undefined;
  try {
    return manifestSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError("failed", `${file} cannot be read: ${reason}`, { file });
  }
}

/**
 * The shape to start: what is asked for, else what the directory holds, else three members in one
 * rack with Murmur3 tokens. Throws CliError if what is asked for is not what the directory holds.
 */
export function shapeOf(
  directory: string,
  asked: {
    readonly nodes?: number | undefined;
    readonly hasRacks?: boolean | undefined;
    readonly partitioner?: string | undefined;
  },
): RingManifest {
  const held = readManifest(directory);
  if (held === undefined) {
    const { nodes = 3, hasRacks = false, partitioner = DEFAULT_PARTITIONER } = asked;
    return { nodes, hasRacks, partitioner };
  }
  const hint =
    "start it without --nodes, --racks and --partitioner, or name another directory with --data-dir";
  if (asked.partitioner !== undefined && asked.partitioner !== held.partitioner) {
    const reason = `holds a ring of ${held.partitioner}, --partitioner asks for ${asked.partitioner}`;
    throw new CliError("usage", `${directory} ${reason}; ${hint}`, { directory, ...held });
  }
  if (asked.nodes !== undefined && asked.nodes !== held.nodes) {
    const reason = `holds a ring of ${held.nodes} members, --nodes asks for ${asked.nodes}`;
    throw new CliError("usage", `${directory} ${reason}; ${hint}`, { directory, ...held });
  }
  if (asked.hasRacks === true && !held.hasRacks) {
    const reason = `holds a ring in one rack, --racks asks for a rack per member`;
    throw new CliError("usage", `${directory} ${reason}; ${hint}`, { directory, ...held });
  }
  return held;
}

/** Writes the manifest and the configuration of every member. */
export function writeRingFiles(
  directory: string,
  manifest: RingManifest,
  members: readonly MemberPlan[],
): void {
  mkdirSync(directory, { recursive: true });
  for (const { configFile, config, number } of members) {
    const head = `# Member ${number} of a local ring, written by 'dynaring up' at every start.\n`;
    writeFileSync(configFile, head + stringify(config));
  }
  writeFileSync(join(directory, MANIFEST), `${JSON.stringify(manifest)}\n`);
}
