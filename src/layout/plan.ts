/**
 * What a commit would do, for people to look at before it does it.
 *
 * A plan is computed from the very layout that a commit would make and carries its hash, so a commit
 * that names the plan applies what was shown, or nothing. What moves follows from the duties that
 * members would fulfil (transition.ts), not from an estimate of its own.
 *
 * Sizes are estimates: a member knows how much data it holds itself, and takes it that the keys of the
 * others lie as densely. The time is that of the member that receives most, at its throttle.
 */
import type { PlanView } from "../model/topology-api.ts";
import { PlanContext, type PlanInput } from "./plan-context.ts";
import { flowOf } from "./plan-flow.ts";
import { plannedMembers } from "./plan-shares.ts";
import { warningsOf } from "./plan-warnings.ts";
import { stepsOf } from "./plan-words.ts";

export { type KeyspaceDensity, type PlanFacts, type PlanInput } from "./plan-context.ts";

/** The plan for `target`, which the staged changes make of `head`. */
export function planOf(input: PlanInput): PlanView {
  const context = new PlanContext(input);
  const flow = flowOf(context);
  const { transfers, movedBytes, movedKeys, etaSeconds } = flow;
  return {
    hash: input.target.version.hash,
    base: input.head.version,
    changes: input.changes,
    members: plannedMembers(context),
    transfers,
    movedBytes,
    movedKeys,
    etaSeconds,
    steps: stepsOf(context, flow),
    warnings: warningsOf(context),
  };
}
