/** Runs the command in this process, for the tests of the token tools. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCli } from "../program.ts";

export interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one command line; `input` is what it reads on standard input, in chunks. */
export async function run(
  args: readonly string[],
  input: readonly (string | Uint8Array)[] = [],
): Promise<Run> {
  let out = "";
  let err = "";
  const chunks = input.map((chunk) => (typeof chunk === "string" ? Buffer.from(chunk) : chunk));
  const context = {
    env: {},
    isTerminal: false,
    fetch: globalThis.fetch,
    input: (async function* () {
      yield* await Promise.resolve(chunks);
    })(),
    write: (text: string) => void (out += text),
    writeError: (text: string) => void (err += text),
  };
  return { code: await runCli(context, args), out, err };
}

/** A directory that is gone when the callback ends. */
export async function withDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "dynaring-test-"));
  try {
    return await use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Runs a command line in which `ring.yaml` stands for a file with this text. */
export function runOn(
  yaml: string,
  args: readonly string[],
  input: readonly (string | Uint8Array)[] = [],
): Promise<Run> {
  return withDirectory(async (directory) => {
    const file = join(directory, "ring.yaml");
    writeFileSync(file, yaml);
    const { code, out, err } = await run(
      args.map((arg) => arg.replace(/^ring\.yaml$/, file)),
      input,
    );
    return { code, out, err: err.replaceAll(file, "ring.yaml") };
  });
}
