/** I12, expiry: a value is never returned by a coordinator whose clock shows that it has expired. */
import { type History, type Violation, isRead, showOperation } from "../history.ts";

export function checkExpiry(history: History): Violation[] {
  const violations: Violation[] = [];
  for (const read of history.operations) {
    if (!isRead(read) || read.found === undefined) continue;
    const { expiresAtMs } = read.found;
    if (expiresAtMs === 0 || expiresAtMs > read.wallMs) continue;
    const message = `${showOperation(read)} returned what expired at ${expiresAtMs}; its clock showed ${read.wallMs}`;
    violations.push({ invariant: "I12", message });
  }
  return violations;
}
