/**
 * Bob Jenkins' lookup3 (2006) as libmemcached and Dynomite call it, with initial value 13: blocks
 * of twelve bytes as three little-endian words, mixed after each block but the last, which has 1 to
 * 12 bytes and ends in a final mix of its own. An empty key is 0.
 *
 * Source: lookup3.c, `hashlittle`.
 */
export function jenkins(key: Uint8Array): number {
  if (key.length === 0) return 0;
  const state = new Int32Array(3).fill((0xdead_beef + key.length + 13) | 0);
  let at = 0;
  for (; key.length - at > 12; at += 12) {
    addBlock(state, key, at);
    mix(state);
  }
  addBlock(state, key, at);
  return finalMix(state) >>> 0;
}

/** Adds three words; bytes past the end of the key are zeros. */
function addBlock(state: Int32Array, key: Uint8Array, at: number): void {
  for (let index = 0; index < 12; index++) {
    const word = index >> 2;
    state[word] = (state[word] ?? 0) + ((key[at + index] ?? 0) << (8 * (index & 3)));
  }
}

function mix(state: Int32Array): void {
  let [a = 0, b = 0, c = 0] = state;
  for (const shift of [4, 6, 8, 16, 19, 4]) {
    // The three words change roles from line to line, and are back in place after six.
    [a, b, c] = [b, (c + b) | 0, ((a - c) | 0) ^ rotate(c, shift)];
  }
  [state[0], state[1], state[2]] = [a, b, c];
}

function finalMix(state: Int32Array): number {
  const [a = 0, b = 0, c = 0] = state;
  let [target, source, other] = [c, b, a];
  for (const shift of [14, 11, 25, 16, 4, 14, 24]) {
    const mixed = ((target ^ source) - rotate(source, shift)) | 0;
    [target, source, other] = [other, mixed, source];
  }
  return source;
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
