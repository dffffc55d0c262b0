/**
 * MD5 (RFC 1321) in plain arithmetic, for the rings that were built on it: RandomPartitioner and
 * Dynomite's `md5`. Written out because `node:crypto` does not exist in a browser and the Web
 * Crypto API has no MD5. Not for security.
 *
 * The table holds floor(2^32 * |sin(i + 1)|); the message words of round r are taken in the order
 * (multiplier * i + offset) mod 16.
 */

const SHIFTS: readonly (readonly [number, number, number, number])[] = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
];
const WORD_ORDERS: readonly { readonly multiplier: number; readonly offset: number }[] = [
  { multiplier: 1, offset: 0 },
  { multiplier: 5, offset: 1 },
  { multiplier: 3, offset: 5 },
  { multiplier: 7, offset: 0 },
];
const BLOCK_BYTES = 64;

/** Computes digests one at a time; holds the table of sines. Source: RFC 1321. */
export class Md5 {
  readonly #sines: Int32Array = Int32Array.from(
    { length: 64 },
    (_, step) => Math.floor(Math.abs(Math.sin(step + 1)) * 0x1_0000_0000) | 0,
  );

  /** The 16 bytes of the digest. */
  digest(message: Uint8Array): Uint8Array {
    const padded = pad(message);
    const state = Int32Array.of(0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476);
    for (let at = 0; at < padded.byteLength; at += BLOCK_BYTES) this.#mixBlock(state, padded, at);
    const digest = new DataView(new ArrayBuffer(16));
    for (const [index, word] of state.entries()) digest.setInt32(4 * index, word, true);
    return new Uint8Array(digest.buffer);
  }

  #mixBlock(state: Int32Array, message: DataView, at: number): void {
    let [a = 0, b = 0, c = 0, d = 0] = state;
    for (let step = 0; step < 64; step++) {
      const round = step >> 4;
      const { multiplier, offset } = WORD_ORDERS[round] ?? { multiplier: 1, offset: 0 };
      const word = message.getInt32(at + 4 * ((multiplier * step + offset) & 15), true);
      const sum = (a + choose(round, b, c, d) + word + (this.#sines[step] ?? 0)) | 0;
      const shift = SHIFTS[round]?.[step & 3] ?? 0;
      const rotated = (sum << shift) | (sum >>> (32 - shift));
      [a, d, c, b] = [d, c, b, (b + rotated) | 0];
    }
    state[0] = (state[0] ?? 0) + a;
    state[1] = (state[1] ?? 0) + b;
    state[2] = (state[2] ?? 0) + c;
    state[3] = (state[3] ?? 0) + d;
  }
}

/** The function of the round: each bit of the result is chosen or mixed from three bits. */
function choose(round: number, b: number, c: number, d: number): number {
  if (round === 0) return (b & c) | (~b & d);
  if (round === 1) return (b & d) | (c & ~d);
  if (round === 2) return b ^ c ^ d;
  return c ^ (b | ~d);
}

/** The message, a 1 bit, zeros up to 8 bytes before a block ends, and its length in bits. */
function pad(message: Uint8Array): DataView {
  const blocks = Math.floor((message.length + 8) / BLOCK_BYTES) + 1;
  const padded = new Uint8Array(blocks * BLOCK_BYTES);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, (message.length * 8) >>> 0, true);
  view.setUint32(padded.length - 4, Math.floor(message.length / 0x2000_0000), true);
  return view;
}
