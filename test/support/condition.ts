import { setTimeout as pause } from "node:timers/promises";

/** Waits until `holds` does, looking every few milliseconds by default. Throws when the deadline passes. */
export async function until(
  what: string,
  holds: () => Promise<boolean> | boolean,
  deadlineMs = 20_000,
  lookEveryMs = 20,
): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`after ${deadlineMs} ms still not: ${what}`);
    await pause(lookEveryMs);
  }
}
