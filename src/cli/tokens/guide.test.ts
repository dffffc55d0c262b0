import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run } from "./run.suite.ts";

const GUIDES = join(import.meta.dirname, "../../../docs/guides");
const IMAGES = ["one-token.svg", "many-tokens.svg", "growth.svg", "rebalance.svg"];

let directory: string;
let guide: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "dynaring-guide-"));
  mkdirSync(join(directory, "images"));
  guide = await made(readFileSync(join(GUIDES, "tokens.md"), "utf8"));
});

afterAll(() => {
  rmSync(directory, { recursive: true });
});

/** The guide with every output made again: its files written, its commands run. */
async function made(text: string): Promise<string> {
  const parts: string[] = [];
  for (const block of text.split(/(^```[^\n]*\n[\s\S]*?^```$)/m)) {
    const file = /^```\w+ (\S+)\n([\s\S]*)```$/.exec(block);
    if (file !== null) writeFileSync(join(directory, file[1]!), file[2]!);
    parts.push(block.startsWith("```console\n") ? await madeBlock(block) : block);
  }
  return parts.join("");
}

async function madeBlock(block: string): Promise<string> {
  const commands = block.split("\n").filter((line) => line.startsWith("$ "));
  const lines: string[] = [];
  for (const command of commands) lines.push(command, ...(await outputOf(command)));
  return ["```console", ...lines, "```"].join("\n");
}

/** Understands `> file`, `| head -n` and `| tail -n`, as far as the guide needs it. */
async function outputOf(command: string): Promise<readonly string[]> {
  const [, line = "", target, cut, count] =
    /^\$ dynaring (.*?)(?: > (\S+)| \| (head|tail) -(\d+))?$/.exec(command) ?? [];
  const args = line
    .split(" ")
    .map((arg) => (/\.(?:yaml|txt|svg)$/.test(arg) ? join(directory, arg) : arg));
  const { code, out, err } = await run(args);
  expect([command, code]).toEqual([command, 0]);
  if (target !== undefined) writeFileSync(join(directory, target), out);
  const lines = (err + (target === undefined ? out : "")).split("\n").slice(0, -1);
  const limit = Number(count);
  if (cut === "head") return lines.slice(0, limit);
  return cut === "tail" ? lines.slice(-limit) : lines;
}

test("the guide shows what the tools print", async () => {
  await expect(guide).toMatchFileSnapshot(join(GUIDES, "tokens.md"));
});

test.each(IMAGES)("the guide's picture %s is what the tool draws", async (image) => {
  const drawn = readFileSync(join(directory, "images", image), "utf8");
  await expect(drawn).toMatchFileSnapshot(join(GUIDES, "images", image));
});

test("the guide shows no other pictures", () => {
  const shown = [...guide.matchAll(/\]\((images\/[^)]+)\)/g)].map(([, path]) => basename(path!));
  expect(shown).toEqual(IMAGES);
});
