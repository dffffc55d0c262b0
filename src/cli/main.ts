#!/usr/bin/env node
/** The `dynaring` command: the process around program.ts. */
import { runCli } from "./program.ts";

// Whoever reads the output may go away first (`dynaring ring | head`); that is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

let isInputOpen = false;

process.exitCode = await runCli(
  {
    env: process.env,
    isTerminal: process.stdout.isTTY === true,
    fetch: globalThis.fetch,
    // A getter, because touching standard input opens it.
    get input() {
      isInputOpen = true;
      return process.stdin;
    },
    write: (text) => void process.stdout.write(text),
    writeError: (text) => void process.stderr.write(text),
  },
  process.argv.slice(2),
);

// A terminal that nobody reads any more would keep the process alive.
if (isInputOpen) process.stdin.destroy();
