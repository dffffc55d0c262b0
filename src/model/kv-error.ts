import type { Consistency } from "./consistency.ts";

/**
 * The one error of the store. Callers switch on `detail.code`, never on the text.
 *
 * `outcome` is the promise that comes with a failed write: `failed` means that it will never be
 * visible to any reader, `unknown` that it may be, now or later.
 */
export type KvErrorDetail =
  /** Too few replicas are alive; nothing was sent. */
  | {
      readonly code: "UNAVAILABLE";
      readonly level: Consistency;
      readonly required: number;
      readonly alive: number;
      /** Addresses of the replicas that are down, `dc:` names where a whole datacenter lacks. */
      readonly down: readonly string[];
    }
  /** Replicas were asked and too few answered in time. */
  | {
      readonly code: "TIMEOUT";
      readonly operation: "read" | "write";
      readonly level: Consistency;
      readonly required: number;
      readonly received: number;
      readonly timeoutMs: number;
      /** Addresses of the replicas that did not answer. */
      readonly silent: readonly string[];
    }
  /** So many replicas refused or failed that the level cannot be reached. */
  | {
      readonly code: "REPLICA_FAILURE";
      readonly operation: "read" | "write";
      readonly level: Consistency;
      readonly required: number;
      readonly received: number;
      readonly failures: readonly { readonly replica: string; readonly reason: string }[];
    }
  | { readonly code: "UNKNOWN_KEYSPACE"; readonly keyspace: string }
  | { readonly code: "KEYSPACE_EXISTS"; readonly keyspace: string }
  /** A level that cannot be used here, e.g. ANY for a read. */
  | { readonly code: "UNSUPPORTED_LEVEL"; readonly level: Consistency; readonly reason: string }
  | {
      readonly code: "INVALID_ARGUMENT";
      readonly argument: string;
      readonly value: string;
      readonly expected: string;
    }
  | {
      readonly code: "TOO_LARGE";
      readonly what: "key" | "value";
      readonly sizeBytes: number;
      readonly maxBytes: number;
    }
  /** A bounded queue is full. Nothing was sent. */
  | { readonly code: "BUSY"; readonly reason: string; readonly retryAfterMs: number }
  /** The ring has changed since the plan was made, or there never was such a plan. */
  | { readonly code: "PLAN_STALE"; readonly hash: string; readonly present: string }
  /** Another change was committed at the same time and won. */
  | { readonly code: "PLAN_LOST"; readonly hash: string; readonly winner: string }
  /** At this member: what is staged elsewhere is known there only. */
  | { readonly code: "NOTHING_STAGED" }
  /** The ring cannot be changed like this. */
  | { readonly code: "CHANGE_REFUSED"; readonly change: string; readonly reason: string }
  | { readonly code: "UNKNOWN_TASK"; readonly id: string }
  /** The member is not (or not yet, or no longer) part of a ring. */
  | { readonly code: "NOT_READY"; readonly reason: string };

export type KvErrorCode = KvErrorDetail["code"];

export class KvError extends Error {
  readonly detail: KvErrorDetail;
  /** For writes: whether the write may still become visible. */
  readonly outcome: "failed" | "unknown";

  constructor(detail: KvErrorDetail, outcome: "failed" | "unknown" = "failed") {
    super(describe(detail));
    this.name = "KvError";
    this.detail = detail;
    this.outcome = outcome;
  }

  get code(): KvErrorCode {
    return this.detail.code;
  }
}

function describe(detail: KvErrorDetail): string {
  switch (detail.code) {
    case "UNAVAILABLE":
      return (
        `level ${detail.level} needs ${detail.required} live replicas and ${detail.alive} are alive` +
        listOf("down", detail.down)
      );
    case "TIMEOUT":
      return (
        `${detail.operation} at level ${detail.level} needs ${detail.required} answers and got ` +
        `${detail.received} in ${detail.timeoutMs} ms${listOf("no answer from", detail.silent)}`
      );
    case "REPLICA_FAILURE":
      return (
        `${detail.operation} at level ${detail.level} needs ${detail.required} answers and got ` +
        `${detail.received}${listOf(
          "refused by",
          detail.failures.map(({ replica, reason }) => `${replica} (${reason})`),
        )}`
      );
    case "UNKNOWN_KEYSPACE":
      return `there is no keyspace '${detail.keyspace}'`;
    case "KEYSPACE_EXISTS":
      return `keyspace '${detail.keyspace}' exists already with other settings`;
    case "UNSUPPORTED_LEVEL":
      return `level ${detail.level} cannot be used here: ${detail.reason}`;
    case "INVALID_ARGUMENT":
      return `${detail.argument} is '${detail.value}', expected ${detail.expected}`;
    case "TOO_LARGE":
      return `${detail.what} of ${detail.sizeBytes} bytes is over the limit of ${detail.maxBytes} bytes`;
    case "BUSY":
      return `overloaded: ${detail.reason}; retry after ${detail.retryAfterMs} ms`;
    case "PLAN_STALE":
      return (
        `plan ${detail.hash} does not fit: the plan for what is staged on the present layout is ` +
        `${detail.present}; look at the plan again`
      );
    case "PLAN_LOST":
      return (
        `another change (${detail.winner}) was committed at the same time and won against plan ` +
        `${detail.hash}; the changes are still staged, plan them again`
      );
    case "NOTHING_STAGED":
      return "nothing is staged at this member: changes are planned and committed where they were staged";
    case "CHANGE_REFUSED":
      return `${detail.change} is not possible: ${detail.reason}`;
    case "UNKNOWN_TASK":
      return `there is no task '${detail.id}'`;
    case "NOT_READY":
      return `this member cannot serve: ${detail.reason}`;
  }
}

function listOf(label: string, items: readonly string[]): string {
  return items.length === 0 ? "" : `; ${label}: ${items.join(", ")}`;
}
