/**
 * The middle of two fractions with the same denominator `unit`, clockwise around the whole ring of
 * them; `hasHalf` if half a numerator is left over.
 *
 * Source: Cassandra `utils/FBUtilities.midpoint`.
 */
export function middleOf(
  left: bigint,
  right: bigint,
  unit: bigint,
): { readonly middle: bigint; readonly hasHalf: boolean } {
  if (left < right) return { middle: (left + right) >> 1n, hasHalf: (left + right) % 2n === 1n };
  const distance = unit + right - left;
  return { middle: ((distance >> 1n) + left) % unit, hasHalf: distance % 2n === 1n };
}
