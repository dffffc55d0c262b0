/**
 * Small documents that a member keeps beside its data: who it is, and the layout it lives in.
 *
 * A document is replaced as a whole: written beside the old one, synced, renamed over it, and the
 * directory synced. Whatever moment the power fails at, one of the two is there. The store keeps its
 * files in the same directory, so a failed sync of it concerns both.
 */
import type { Disk } from "../storage/disk.ts";
import { renameSynced } from "../storage/log/directory-sync.ts";
import { promised } from "../storage/promised.ts";

export class DocumentError extends Error {
  constructor(name: string, problem: string, options?: ErrorOptions) {
    super(`${name} in the data directory ${problem}`, options);
    this.name = "DocumentError";
  }
}

/** The document, or undefined if there is none. Throws DocumentError if it cannot be read. */
export function loadDocument(disk: Disk, name: string): unknown {
  if (!disk.list().includes(name)) return undefined;
  const file = disk.open(name);
  try {
    const bytes = new Uint8Array(file.sizeBytes());
    file.read(bytes, 0, bytes.length, 0);
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as unknown;
  } catch (cause) {
    throw new DocumentError(name, "cannot be read; restore it from a backup, or start anew", {
      cause,
    });
  } finally {
    file.close();
  }
}

/** Replaces the document; resolves when that is on stable storage. */
export async function saveDocument(disk: Disk, name: string, content: unknown): Promise<void> {
  const temporary = `${name}.new`;
  disk.remove(temporary);
  const file = disk.open(temporary);
  try {
    file.write(new TextEncoder().encode(`${JSON.stringify(content, null, 2)}\n`), 0);
    await promised((done) => file.sync(done));
  } finally {
    file.close();
  }
  await promised((done) => renameSynced(disk, temporary, name, done));
}
