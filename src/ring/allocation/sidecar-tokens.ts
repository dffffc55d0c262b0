/**
 * The token formulas of the sidecars: Dynomite-manager (Dynomite's 32-bit ring; every rack holds the
 * whole ring, so the same slot has the same token in every rack) and Priam (Cassandra's rings).
 *
 * Both divide the ring by the number of slots, and both add an offset that is the absolute value of
 * `String.hashCode` of some text: Dynomite-manager's is one constant, Priam's differs per region so
 * that two regions never share a token.
 */
import { AllocationError } from "./allocation.ts";
import type { TokenSpace } from "./token-space.ts";

/** The modulus of Dynomite-manager: 2^32 - 1, not 2^32. */
const DYNOMITE_MAXIMUM = 4294967295n;
/** "Dynomite" reversed. */
const DYNOMITE_OFFSET_TEXT = "etimonyD";

/** A place among equal shares of the ring. */
export interface Slot {
  /** This instance's index, from 0. */
  readonly slot: number;
  /** How many slots divide the ring: a rack's size (Dynomite-manager), all racks' (Priam). */
  readonly slots: number;
}

/** Dynomite-manager's token of a slot: (floor(max / slots) * slot + offset) mod max. */
export function dynomiteManagerToken({ slot, slots }: Slot): bigint {
  checkSlot({ slot, slots });
  const share = DYNOMITE_MAXIMUM / BigInt(slots);
  return (share * BigInt(slot) + dynomiteManagerOffset()) % DYNOMITE_MAXIMUM;
}

/** The offset of all Dynomite-manager tokens, 1383429731. */
export function dynomiteManagerOffset(): bigint {
  return javaHashOffset(DYNOMITE_OFFSET_TEXT);
}

/** Dynomite's `generate_yamls.py`: floor((2^32-1) / n) * i for i = 1 .. n. */
export function dynomiteScriptTokens(count: number): bigint[] {
  const share = DYNOMITE_MAXIMUM / BigInt(count);
  return Array.from({ length: count }, (_, index) => share * BigInt(index + 1));
}

/**
 * Priam's token of a slot in a region: minimum + floor(range / slots) * slot + offset of the region.
 * There is no modulus, as in Priam: a high slot can pass the end of the ring, and that is an error
 * here, not a token that no key will ever have.
 */
export function priamToken(space: TokenSpace, { slot, slots }: Slot, region: string): bigint {
  checkSlot({ slot, slots });
  const share = space.width / BigInt(slots);
  const token = share * BigInt(slot) + javaHashOffset(region) + space.minimum;
  if (space.isValid(token)) return token;
  throw new AllocationError(
    "TOKEN_INVALID",
    `slot ${slot} of ${slots} in ${region} gets token ${token}, beyond the end of the ring`,
  );
}

/** Priam's slot for the next instance of a rack: racks alternate round the ring. */
export function nextPriamSlot(
  slotsOfRack: readonly number[],
  racks: { readonly index: number; readonly count: number },
): number {
  if (slotsOfRack.length === 0) return racks.index;
  return Math.max(...slotsOfRack) + racks.count;
}

/** The token of a list that is nearest to a wanted one, as Dynomite-manager's restore looks for it. */
export function closestToken(wanted: bigint, tokens: readonly bigint[]): bigint | undefined {
  const distance = (token: bigint): bigint => (token > wanted ? token - wanted : wanted - token);
  return tokens.reduce<bigint | undefined>(
    (best, token) => (best === undefined || distance(token) < distance(best) ? token : best),
    undefined,
  );
}

/** |String.hashCode()| of Java. */
export function javaHashOffset(text: string): bigint {
  let hash = 0;
  for (let index = 0; index < text.length; index++) {
    hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0;
  }
  return BigInt(Math.abs(hash));
}

function checkSlot({ slot, slots }: Slot): void {
  if (Number.isInteger(slot) && slot >= 0 && Number.isInteger(slots) && slots > 0) return;
  throw new AllocationError("MEMBER", `slot ${slot} of ${slots}: slots count from 0, sizes from 1`);
}
