/**
 * The model of the crash histories: what each cell may be, and must be at least.
 *
 * The life of a cell is cut into epochs by the drops of it. In an epoch the newest version wins, as
 * without drops. A drop that was acknowledged ends the epochs before it for good; one that was not may
 * be undone by a crash, and then its epoch and the one before are the same.
 */
import { contentHash } from "../content-hash.ts";
import type { CellWrite, TokenSpan } from "../engine.ts";
import { compareCells } from "../merge-order.ts";

/** One version of a cell as the model keeps it. */
export interface ModelCell {
  readonly timestamp: number;
  readonly writer: number;
  readonly isTombstone: boolean;
  readonly contentHash: number;
  readonly expiresAtMs: number;
  readonly value: string | undefined;
}

export interface Epoch {
  readonly attempts: ModelCell[];
  /** The newest that must survive the death of the process. */
  written: ModelCell | undefined;
  /** The newest that must survive power failure. */
  synced: ModelCell | undefined;
}

export class ModelKey {
  readonly keyspaceId: number;
  readonly tokenHi: number;
  readonly tokenLo: number;
  readonly key: Uint8Array;
  current: ModelCell | undefined;
  /** The last is the present one; those before it may come back. */
  #epochs: Epoch[] = [makeEpoch(undefined)];

  constructor(address: Pick<CellWrite, "keyspaceId" | "tokenHi" | "tokenLo" | "key">) {
    this.keyspaceId = address.keyspaceId;
    this.tokenHi = address.tokenHi;
    this.tokenLo = address.tokenLo;
    this.key = address.key;
  }

  get epoch(): Epoch {
    return this.#epochs.at(-1) as Epoch;
  }

  isWithin(keyspaceId: number, span: TokenSpan): boolean {
    if (keyspaceId !== this.keyspaceId) return false;
    const [token, start, end] = [
      wide(this.tokenHi, this.tokenLo),
      wide(span.startHi, span.startLo),
      wide(span.endHi, span.endLo),
    ];
    if (start < end) return token > start && token <= end;
    return token > start || token <= end;
  }

  /** The cell is dropped now. Call the result when that is acknowledged. */
  drop(): () => void {
    const epoch = makeEpoch(undefined);
    this.current = undefined;
    this.#epochs.push(epoch);
    return () => {
      const position = this.#epochs.indexOf(epoch);
      if (position > 0) this.#epochs = this.#epochs.slice(position);
    };
  }

  /** What was only written is lost with the power. */
  losePower(): void {
    for (const epoch of this.#epochs) epoch.written = epoch.synced;
  }

  /** Takes over what was found after a crash. Throws if that cannot be. */
  adopt(found: ModelCell | undefined): void {
    if (!this.#epochs.some((_, first) => isPossible(this.#epochs.slice(first), found))) {
      const floors = this.#epochs.map(({ written }) => describe(written));
      throw new Error(`acknowledged ${floors.join(", dropped, ")}, found ${describe(found)}`);
    }
    this.current = found;
    this.#epochs = [makeEpoch(found)];
  }
}

/** Whether this may be what is left of some epochs, if no drop between them was effective. */
function isPossible(epochs: readonly Epoch[], found: ModelCell | undefined): boolean {
  const floors = epochs.flatMap(({ written }) => (written === undefined ? [] : [written]));
  if (found === undefined) return floors.length === 0;
  const attempts = epochs.flatMap((epoch) => epoch.attempts);
  const isNewEnough = floors.every((floor) => compareCells(found, floor) >= 0);
  return isNewEnough && attempts.some((attempt) => isSame(attempt, found));
}

function makeEpoch(found: ModelCell | undefined): Epoch {
  return { attempts: found === undefined ? [] : [found], written: found, synced: found };
}

function wide(hi: number, lo: number): bigint {
  return BigInt(hi) * 0x1_0000_0000n + BigInt(lo);
}

export function modelOf(write: CellWrite): ModelCell {
  return {
    timestamp: write.timestamp,
    writer: write.writer,
    isTombstone: write.value === undefined,
    contentHash: contentHash(write.value, write.expiresAtMs),
    expiresAtMs: write.expiresAtMs,
    value: write.value === undefined ? undefined : Buffer.from(write.value).toString("latin1"),
  };
}

export function modelOfCell(
  cell: Omit<ModelCell, "value"> & { value: Uint8Array | undefined },
): ModelCell {
  const { timestamp, writer, isTombstone, expiresAtMs } = cell;
  const value = cell.value === undefined ? undefined : Buffer.from(cell.value).toString("latin1");
  return { timestamp, writer, isTombstone, contentHash: cell.contentHash, expiresAtMs, value };
}

export function newer(a: ModelCell | undefined, b: ModelCell): ModelCell {
  return a === undefined || compareCells(b, a) > 0 ? b : a;
}

export function isSame(a: ModelCell, b: ModelCell): boolean {
  return compareCells(a, b) === 0 && a.value === b.value && a.expiresAtMs === b.expiresAtMs;
}

export function describe(cell: ModelCell | undefined): string {
  if (cell === undefined) return "nothing";
  const content = cell.isTombstone ? "tombstone" : `${cell.value?.length} bytes`;
  return `(${cell.timestamp}, ${cell.writer}, ${content}, hash ${cell.contentHash})`;
}
