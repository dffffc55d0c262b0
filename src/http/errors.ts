/**
 * Errors as HTTP replies: one table from codes to status, one shape of body.
 *
 * A caller switches on `error.code`; the status follows from it. `error.outcome` says of a write
 * whether it can still become visible. docs/reference/errors.md documents every code.
 */
import type { KvError, KvErrorCode } from "../model/kv-error.ts";

/** Status of every code of the store. */
export const STATUS_OF_CODE: Readonly<Record<KvErrorCode, number>> = {
  UNAVAILABLE: 503,
  TIMEOUT: 504,
  REPLICA_FAILURE: 502,
  UNKNOWN_KEYSPACE: 404,
  KEYSPACE_EXISTS: 409,
  UNSUPPORTED_LEVEL: 400,
  INVALID_ARGUMENT: 400,
  TOO_LARGE: 413,
  BUSY: 503,
  PLAN_STALE: 409,
  PLAN_LOST: 409,
  NOTHING_STAGED: 409,
  CHANGE_REFUSED: 409,
  UNKNOWN_TASK: 404,
  NOT_READY: 503,
};

/** Codes that only this front end has. */
export const HTTP_ONLY_STATUS: Readonly<
  Record<"NOT_FOUND" | "NO_ROUTE" | "BAD_REQUEST" | "INTERNAL", number>
> = {
  NOT_FOUND: 404,
  NO_ROUTE: 404,
  BAD_REQUEST: 400,
  INTERNAL: 500,
};

export type HttpErrorCode = KvErrorCode | keyof typeof HTTP_ONLY_STATUS;

export interface ErrorBody {
  readonly error: {
    readonly code: HttpErrorCode;
    readonly message: string;
    readonly outcome: "failed" | "unknown";
  };
}

/** A reply before it is written: bytes as they are, anything else as JSON. */
export interface HttpReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export function replyToKvError(error: KvError): HttpReply {
  const { detail, message, outcome } = error;
  return {
    status: STATUS_OF_CODE[detail.code],
    headers:
      detail.code === "BUSY"
        ? { "retry-after": String(Math.max(1, Math.ceil(detail.retryAfterMs / 1000))) }
        : {},
    body: { error: { ...detail, message, outcome } },
  };
}

export function replyToHttpError(
  code: keyof typeof HTTP_ONLY_STATUS,
  message: string,
  status: number = HTTP_ONLY_STATUS[code],
): HttpReply {
  return { status, body: { error: { code, message, outcome: "failed" } } satisfies ErrorBody };
}
