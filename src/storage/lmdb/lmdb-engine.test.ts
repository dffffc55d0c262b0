import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../../model/deps.ts";
import { eventLoopClock, runEngineSuite } from "../engine.suite.ts";
import { LmdbEngine } from "./lmdb-engine.ts";

runEngineSuite("lmdb engine", () => {
  const directory = mkdtempSync(join(tmpdir(), "dynaring-lmdb-"));
  return {
    make: () => new LmdbEngine({ clock: eventLoopClock, logger: silentLogger }, { directory }),
    run: (promise) => promise,
    dispose: () => rmSync(directory, { recursive: true, force: true }),
  };
});
