/** What the tests of engines stand on: short words for cells, and engines that are opened and closed. */
import { afterEach } from "vitest";
import type { Durability } from "../model/consistency.ts";
import type { CellWrite, ScannedCell, StorageEngine, TokenSpan } from "./engine.ts";

/** A place where an engine lives; `open` after `close` finds what was stored. */
export interface EngineFixture {
  /** Makes a new engine over the same files. */
  make(): StorageEngine;
  /** Lets the engine's time go on until the promise is settled. */
  run<T>(promise: Promise<T>): Promise<T>;
  /** Removes everything. */
  dispose(): void;
}

export const WHOLE_RING: TokenSpan = { startHi: 0, startLo: 0, endHi: 0, endLo: 0 };

export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text));
}

export function write(overrides: Partial<CellWrite> = {}): CellWrite {
  return {
    keyspaceId: 1,
    tokenHi: 0,
    tokenLo: 0,
    key: bytesOf("key"),
    value: bytesOf("value"),
    timestamp: 1,
    writer: 1,
    expiresAtMs: 0,
    ...overrides,
  };
}

/** Puts and resolves when it is stored. */
export async function put(
  engine: StorageEngine,
  cell: CellWrite,
  durability: Durability = "memory",
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    engine.put(cell, durability, { stored: resolve, putFailed: reject });
  });
}

export function valueOf(engine: StorageEngine, cell: CellWrite): string | undefined {
  const found = engine.get(cell.keyspaceId, cell.tokenHi, cell.tokenLo, cell.key);
  return found?.value === undefined ? undefined : Buffer.from(found.value).toString();
}

/** All cells of a scan as `hi,lo,key=value`, read in pages of `limit`. */
export function scanAll(
  engine: StorageEngine,
  span: TokenSpan,
  options: { limit?: number; values?: boolean; keyspaceId?: number } = {},
): string[] {
  const { limit = 3, values = true, keyspaceId = 1 } = options;
  const scan = engine.scan(keyspaceId, span, { values });
  const seen: string[] = [];
  while (scan.next(limit, (cell) => seen.push(render(cell))) > 0);
  scan.close();
  return seen;
}

export function render(cell: ScannedCell): string {
  const key = Buffer.from(cell.key).toString();
  const value = cell.value === undefined ? "-" : Buffer.from(cell.value).toString();
  return `${cell.tokenHi},${cell.tokenLo},${key}=${value}`;
}

/** What the cases of one suite do with engines. */
export interface EngineHarness {
  /** A new engine over the same files. */
  readonly make: () => StorageEngine;
  readonly open: () => Promise<StorageEngine>;
  readonly reopen: () => Promise<StorageEngine>;
  /** Lets the engine's time go on until the promise is settled. */
  readonly run: <T>(promise: Promise<T>) => Promise<T>;
  readonly stored: (
    engine: StorageEngine,
    cell: CellWrite,
    durability?: Durability,
  ) => Promise<void>;
}

/** One engine after another on a fixture that lasts for one case. */
export function useEngines(makeFixture: () => EngineFixture): EngineHarness {
  let fixture: EngineFixture | undefined;
  let current: StorageEngine | undefined;

  const make = (): StorageEngine => {
    fixture ??= makeFixture();
    return (current = fixture.make());
  };
  const run = <T>(promise: Promise<T>): Promise<T> => fixture!.run(promise);
  const open = async (): Promise<StorageEngine> => {
    const engine = make();
    await run(engine.open());
    return engine;
  };
  const reopen = async (): Promise<StorageEngine> => {
    if (current !== undefined) await run(current.close());
    return open();
  };

  afterEach(async () => {
    if (current !== undefined) await run(current.close());
    fixture?.dispose();
    fixture = undefined;
    current = undefined;
  });

  const stored: EngineHarness["stored"] = (engine, cell, durability) =>
    run(put(engine, cell, durability));
  return { make, open, reopen, run, stored };
}
