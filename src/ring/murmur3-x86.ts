/**
 * The first 32-bit word of MurmurHash3 x86 128-bit: four lanes over blocks of 16 bytes, which feed
 * one another. Not the function of Cassandra's tokens; see `dynomite-hashes.ts` for its use.
 *
 * Source: Austin Appleby, MurmurHash3, `MurmurHash3_x86_128`.
 */

interface Lane {
  readonly factor: number;
  readonly keyShift: number;
  readonly stateShift: number;
  readonly addend: number;
}

/** Lane i multiplies by its own factor, then by the next lane's. */
const LANES: readonly Lane[] = [
  { factor: 0x239b_961b, keyShift: 15, stateShift: 19, addend: 0x561c_cd1b },
  { factor: 0xab0e_9789, keyShift: 16, stateShift: 17, addend: 0x0bca_a747 },
  { factor: 0x38b3_4ae5, keyShift: 17, stateShift: 15, addend: 0x96cd_1c35 },
  { factor: 0xa1e3_8b93, keyShift: 18, stateShift: 13, addend: 0x32ac_3b17 },
];

/** The first word, as an unsigned integer. */
export function murmur3x86FirstWord(key: Uint8Array, seed: number): number {
  const state = new Int32Array(4).fill(seed);
  const tail = key.length - (key.length & 15);
  for (let at = 0; at < tail; at += 16) mixBlock(state, key, at);
  for (let lane = 0; lane < 4; lane++) {
    state[lane] = (state[lane] ?? 0) ^ mixKey(lane, wordAt(key, tail + 4 * lane)) ^ key.length;
  }
  addLanes(state);
  for (let lane = 0; lane < 4; lane++) state[lane] = avalanche(state[lane] ?? 0);
  addLanes(state);
  return (state[0] ?? 0) >>> 0;
}

function mixBlock(state: Int32Array, key: Uint8Array, at: number): void {
  for (const [lane, { stateShift, addend }] of LANES.entries()) {
    const mixed = (state[lane] ?? 0) ^ mixKey(lane, wordAt(key, at + 4 * lane));
    const sum = rotate(mixed, stateShift) + (state[(lane + 1) & 3] ?? 0);
    state[lane] = Math.imul(sum, 5) + addend;
  }
}

function mixKey(lane: number, word: number): number {
  const { factor, keyShift } = LANES[lane] as Lane;
  const next = LANES[(lane + 1) & 3] as Lane;
  return Math.imul(rotate(Math.imul(word, factor), keyShift), next.factor);
}

/** The first lane takes the sum of all, the others add the first. */
function addLanes(state: Int32Array): void {
  const [a = 0, b = 0, c = 0, d = 0] = state;
  const sum = (a + b + c + d) | 0;
  state[0] = sum;
  state[1] = b + sum;
  state[2] = c + sum;
  state[3] = d + sum;
}

function avalanche(word: number): number {
  const first = Math.imul(word ^ (word >>> 16), 0x85eb_ca6b);
  const second = Math.imul(first ^ (first >>> 13), 0xc2b2_ae35);
  return second ^ (second >>> 16);
}

/** Little-endian; bytes past the end are zeros. */
function wordAt(bytes: Uint8Array, at: number): number {
  let word = 0;
  for (let index = 0; index < 4; index++) word |= (bytes[at + index] ?? 0) << (8 * index);
  return word;
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
