import { readFileSync } from "node:fs";
import { createContext, runInContext } from "node:vm";
import ts from "typescript";
import { describe, expect, it } from "vitest";

const ENTRY = new URL("index.ts", import.meta.url).href;
const ALLOWED = ["src/ring/", "src/util/"].map(
  (path) => new URL(`../../${path}`, import.meta.url).href,
);

/** Every file that `dynaring/ring` reaches, by its URL, with what it imports. */
function importGraph(): Map<string, readonly string[]> {
  const graph = new Map<string, readonly string[]>();
  const pending = [ENTRY];
  for (let url = pending.pop(); url !== undefined; url = pending.pop()) {
    if (graph.has(url) || !url.startsWith("file:")) continue;
    const { importedFiles } = ts.preProcessFile(readFileSync(new URL(url), "utf8"));
    const imports = importedFiles.map(({ fileName }) =>
      fileName.startsWith(".") ? new URL(fileName, url).href : fileName,
    );
    graph.set(url, imports);
    pending.push(...imports);
  }
  return graph;
}

/** Runs the library in a global scope that has what browsers and Node.js share, and no more. */
function runInBrowser(script: string): unknown {
  const context = createContext({ TextEncoder, TextDecoder });
  const modules = new Map<string, Record<string, unknown>>();
  const load = (url: string): Record<string, unknown> => {
    const loaded = modules.get(url);
    if (loaded !== undefined) return loaded;
    const exports: Record<string, unknown> = {};
    modules.set(url, exports);
    const { outputText } = ts.transpileModule(readFileSync(new URL(url), "utf8"), {
      compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2023 },
    });
    const wrapped = `(function (exports, require) {${outputText}\n})`;
    const run = runInContext(wrapped, context) as (
      exports: object,
      require: (specifier: string) => object,
    ) => void;
    run(exports, (specifier) => load(new URL(specifier, url).href));
    return exports;
  };
  Object.assign(context, { ring: load(ENTRY) });
  return runInContext(script, context);
}

describe("dynaring/ring", () => {
  it("reaches only its own layer and util: no package, no node: module", () => {
    const graph = importGraph();
    expect(graph.size).toBeGreaterThan(20);
    const foreign = [...graph.values()]
      .flat()
      .filter((url) => !ALLOWED.some((folder) => url.startsWith(folder)));
    expect(foreign).toEqual([]);
  });

  it("runs without anything of Node.js", () => {
    expect(runInBrowser("typeof process + typeof Buffer + typeof require")).toBe(
      "undefinedundefinedundefined",
    );
    const tokens = runInBrowser(`
      const key = new TextEncoder().encode("hello");
      ring.PARTITIONER_NAMES
        .map((name) => ring.createPartitioner(name))
        .map((partitioner) => partitioner.name + " " + partitioner.format(partitioner.hash(key)))
        .slice(0, 7)
        .join("\\n")
    `);
    expect(tokens).toBe(
      [
        "Murmur3Partitioner -3758069500696749310",
        "RandomPartitioner 123957004363873451094272536567338222994",
        "ByteOrderedPartitioner 68656c6c6f",
        "OrderPreservingPartitioner hello",
        "CollatingOrderPreservingPartitioner hello",
        "RedisSlotPartitioner 866",
        "DynomitePartitioner(murmur) 1377504255",
      ].join("\n"),
    );
  });
});
