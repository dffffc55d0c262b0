/**
 * Why an engine refused or failed a put. Switch on the code:
 *
 * - `FULL`: the disk is full; puts work again when there is space. A put that was already accepted
 *   when the write failed stays visible and is written later: its outcome is unknown.
 * - `READ_ONLY`: a write or a sync failed, so nothing can be promised any more; reads work. After a
 *   failed fsync the kernel may have dropped the dirty pages and called them clean, so trying again
 *   would report success for data that is gone. Only opening anew, which reads what is really there,
 *   ends this.
 * - `CLOSED`: the engine is not open.
 * - `BUSY`: as much as may wait is waiting already; it passes by itself.
 * - `TOO_LARGE`: key or value is over the engine's limit.
 */
export class StorageError extends Error {
  readonly code: "FULL" | "READ_ONLY" | "CLOSED" | "BUSY" | "TOO_LARGE";

  constructor(code: StorageError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StorageError";
    this.code = code;
  }
}
