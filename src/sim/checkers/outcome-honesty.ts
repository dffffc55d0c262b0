/**
 * I4, honest outcomes: what a client was told has failed is never seen by anybody, in no read and in
 * no replica's store. (Deletes that failed and show nevertheless are found by I3: no write is left
 * that can have made their version.)
 */
import {
  type History,
  type Violation,
  type WriteRecord,
  isRead,
  isWrite,
  showOperation,
} from "../history.ts";

export function checkOutcomeHonesty(history: History): Violation[] {
  const failed = new Map<number, WriteRecord>();
  for (const operation of history.operations) {
    if (isWrite(operation) && operation.outcome === "failed") failed.set(operation.id, operation);
  }
  const violations: Violation[] = [];
  const see = (operation: number | undefined, where: string): void => {
    const write = operation === undefined ? undefined : failed.get(operation);
    if (write === undefined) return;
    violations.push({ invariant: "I4", message: `${showOperation(write)}; ${where} shows it` });
  };
  for (const operation of history.operations) {
    if (isRead(operation)) see(operation.found?.identity.operation, showOperation(operation));
  }
  for (const { member, at, cells } of history.snapshots) {
    for (const cell of cells.values()) {
      const where = `the store of member ${member} at ${at.atMs.toFixed(3)} ms`;
      see(cell.identity?.operation, where);
    }
  }
  return violations;
}
