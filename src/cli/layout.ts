/** Numbers and tables as nodetool writes them. */

const SIZE_UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"] as const;

/** "71.23 KiB"; at most two decimals (FileUtils.stringifyFileSize). "?" while unknown. */
export function sizeText(sizeBytes: number | undefined): string {
  if (sizeBytes === undefined) return "?";
  const power = SIZE_UNITS.findLastIndex(
    (_unit, index) => index === 0 || sizeBytes >= 1024 ** index,
  );
  const value = roundedHalfEven(sizeBytes / 1024 ** power, 2).replace(/\.?0+$/, "");
  return `${value === "" ? "0" : value} ${SIZE_UNITS[power]}`;
}

/** A share of 1 in percent with so many decimals, rounded half to even; "?" while unknown. */
export function percentText(share: number | undefined, decimals: number): string {
  return share === undefined ? "?" : `${roundedHalfEven(share * 100, decimals)}%`;
}

/** Java's DecimalFormat rounds exact halves to the even neighbour, toFixed away from zero. */
function roundedHalfEven(value: number, decimals: number): string {
  // Sixty decimals show any number from 0 to 2^52 that has an exact half exactly.
  const exact = value.toFixed(60);
  const cut = exact.indexOf(".") + 1 + decimals;
  const rest = exact.slice(cut);
  if (!/^50*$/.test(rest)) return value.toFixed(decimals);
  const down = exact.slice(0, decimals === 0 ? cut - 1 : cut);
  return Number(down.at(-1)) % 2 === 0 ? down : value.toFixed(decimals);
}

/** "45s", "1m 15s", "2h 5m": two units are enough to wait by. "?" while unknown. */
export function spanText(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds)) return "?";
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}m ${whole % 60}s`;
  return `${Math.floor(minutes / 60)}h ${minutes % 60}m`;
}

/** The lines of a table: two blanks between columns, every cell padded, the last one too. */
export function alignedRows(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "));
}

/** Items by a name of theirs, in the order of the names. */
export function groupedBy<T>(
  items: readonly T[],
  nameOf: (item: T) => string,
): readonly (readonly [string, readonly T[]])[] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(nameOf(item));
    if (group === undefined) groups.set(nameOf(item), [item]);
    else group.push(item);
  }
  return [...groups].toSorted(([left], [right]) => (left < right ? -1 : 1));
}
