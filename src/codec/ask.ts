/**
 * One request to one member, outside the path of clients' requests, with one answer.
 *
 * Who asks (streams) and who sends (the coordinator) know each other by these types only.
 */
import type { LayoutStamp } from "./frames.ts";

/**
 * Why a member gave no answer:
 *
 * - `DOWN`: there is no connection to it.
 * - `LAYOUT`: it does not live in our layout version yet (or no longer); it passes by itself.
 * - `TIMEOUT`: it did not answer in time.
 * - `REFUSED`: it cannot give this answer, e.g. because a record of it is damaged.
 */
export type AskErrorCode = "DOWN" | "LAYOUT" | "TIMEOUT" | "REFUSED";

export class AskError extends Error {
  readonly code: AskErrorCode;

  /** @param message - what stands behind the member's name, e.g. `is down` */
  constructor(code: AskErrorCode, message: string) {
    super(message);
    this.name = "AskError";
    this.code = code;
  }
}

/** One stream request. */
export interface Question {
  readonly memberId: string;
  readonly keyspaceId: number;
  /** The request's body under the layout version given, with which it begins. */
  readonly makeBody: (layout: LayoutStamp) => Buffer;
}

/**
 * Sends a stream request and resolves with the body of the answer; rejects with AskError. The bytes
 * belong to the receiver of the promise: they are no view of a buffer that is read into again.
 */
export type Ask = (question: Question) => Promise<Buffer>;
