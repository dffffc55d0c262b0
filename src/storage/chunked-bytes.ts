/**
 * Bytes that grow at the end without ever being moved: a list of chunks of one size. A file in
 * memory that doubled a single buffer would copy everything at every doubling and hold it twice.
 */
const CHUNK_BYTES = 64 * 1024;

export class ChunkedBytes {
  readonly #chunks: Uint8Array[] = [];
  #sizeBytes = 0;

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Copies out up to `length` bytes at `position`; returns how many there were. */
  read(target: Uint8Array, offset: number, length: number, position: number): number {
    const count = Math.max(0, Math.min(length, this.#sizeBytes - position));
    for (let done = 0; done < count;) {
      const at = position + done;
      const start = at % CHUNK_BYTES;
      const part = Math.min(count - done, CHUNK_BYTES - start);
      target.set(this.#chunk(at).subarray(start, start + part), offset + done);
      done += part;
    }
    return count;
  }

  /** Writes at `position`; a gap before it reads as zeros. */
  write(bytes: Uint8Array, position: number): void {
    this.#resize(Math.max(this.#sizeBytes, position + bytes.length));
    for (let done = 0; done < bytes.length;) {
      const at = position + done;
      const start = at % CHUNK_BYTES;
      const part = Math.min(bytes.length - done, CHUNK_BYTES - start);
      this.#chunk(at).set(bytes.subarray(done, done + part), start);
      done += part;
    }
  }

  truncate(sizeBytes: number): void {
    const isShrinking = sizeBytes < this.#sizeBytes;
    this.#resize(sizeBytes);
    // What lies behind the end must read as zeros if the file grows over it again.
    if (isShrinking && sizeBytes % CHUNK_BYTES !== 0) {
      this.#chunk(sizeBytes).fill(0, sizeBytes % CHUNK_BYTES);
    }
  }

  #chunk(position: number): Uint8Array {
    return this.#chunks[Math.floor(position / CHUNK_BYTES)] as Uint8Array;
  }

  #resize(sizeBytes: number): void {
    const count = Math.ceil(sizeBytes / CHUNK_BYTES);
    while (this.#chunks.length < count) this.#chunks.push(new Uint8Array(CHUNK_BYTES));
    this.#chunks.length = count;
    this.#sizeBytes = sizeBytes;
  }
}
