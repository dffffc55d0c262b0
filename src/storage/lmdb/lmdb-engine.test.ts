import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../../model/deps.ts";
import { realClock } from "../../node/real-clock.ts";
import type { EngineFixture } from "../engine-harness.suite.ts";
import { runEngineSuite } from "../engine.suite.ts";
import { LmdbEngine } from "./lmdb-engine.ts";

function makeFixture(): EngineFixture {
  const directory = mkdtempSync(join(tmpdir(), "dynaring-lmdb-"));
  return {
    make: () => new LmdbEngine({ clock: realClock, logger: silentLogger }, { directory }),
    run: (promise) => promise,
    dispose: () => rmSync(directory, { recursive: true, force: true }),
  };
}

runEngineSuite("lmdb engine", makeFixture);
