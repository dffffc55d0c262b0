/**
 * Durations and sizes as people write and read them: "500ms", "16MiB".
 *
 * Only units with one meaning are known: sizes are powers of 1024 and say so (KiB, not KB).
 */

const DURATION_UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const SIZE_UNITS: readonly string[] = ["B", "KiB", "MiB", "GiB", "TiB"];

/** "500ms", "10s", "1.5h" in milliseconds; undefined if it is no duration with a unit. */
export function parseDurationMs(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/.exec(text.trim());
  const unitMs = DURATION_UNITS_MS[match?.[2] ?? ""];
  return match === null || unitMs === undefined ? undefined : Number(match[1]) * unitMs;
}

/** "64KiB", "16 MiB", "100B" in bytes; undefined if it is no size with a unit. */
export function parseSizeBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim());
  const power = SIZE_UNITS.indexOf(match?.[2] ?? "");
  return match === null || power === -1 ? undefined : Number(match[1]) * 1024 ** power;
}

/** The shortest exact text: 5000 is "5s", 1500 is "1500ms". */
export function formatDurationMs(durationMs: number): string {
  const exact = Object.entries(DURATION_UNITS_MS).filter(
    ([, unitMs]) => durationMs >= unitMs && durationMs % unitMs === 0,
  );
  const [unit, unitMs] = exact.at(-1) ?? ["ms", 1];
  return `${durationMs / unitMs}${unit}`;
}

/** The shortest exact text: 65536 is "64KiB", 1000 is "1000B". */
export function formatSizeBytes(sizeBytes: number): string {
  let power = 0;
  while (sizeBytes > 0 && sizeBytes % 1024 ** (power + 1) === 0 && power < SIZE_UNITS.length - 1) {
    power++;
  }
  return `${sizeBytes / 1024 ** power}${SIZE_UNITS[power] ?? "B"}`;
}
