/** Numbers and expiry options as Redis reads them from the arguments of a command. */
import type { RespCommand } from "../codec/resp-command.ts";
import type { Call } from "./call.ts";
import { invalidExpireTime, NOT_AN_INTEGER } from "./errors.ts";

const INTEGER = /^(?:0|-?[1-9]\d{0,18})$/;
const MAX_INT64 = 9_223_372_036_854_775_807n;

/**
 * A 64-bit integer in Redis's strict notation, or undefined. Beyond 2^53 it is rounded; nothing here
 * accepts numbers of that size.
 */
export function parseInteger(text: string): number | undefined {
  if (!INTEGER.test(text)) return undefined;
  if (text.length < 16) return Number(text);
  const exact = BigInt(text);
  return exact > MAX_INT64 || exact < -MAX_INT64 - 1n ? undefined : Number(exact);
}

/** How an expiry is given: what to multiply by for milliseconds, and whether from now. */
export interface ExpiryUnit {
  readonly milliseconds: 1 | 1000;
  readonly isAbsolute: boolean;
}

type ExpiryWord = "ex" | "px" | "exat" | "pxat";

export const EXPIRY_UNITS: Readonly<Record<ExpiryWord, ExpiryUnit>> = {
  ex: { milliseconds: 1000, isAbsolute: false },
  px: { milliseconds: 1, isAbsolute: false },
  exat: { milliseconds: 1000, isAbsolute: true },
  pxat: { milliseconds: 1, isAbsolute: true },
};

const EXPIRY_WORDS = Object.keys(EXPIRY_UNITS) as readonly ExpiryWord[];

/** The unit that the argument names, EX PX EXAT or PXAT. */
export function expiryUnit(command: RespCommand, index: number): ExpiryUnit | undefined {
  const word = EXPIRY_WORDS.find((candidate) => command.is(index, candidate));
  return word === undefined ? undefined : EXPIRY_UNITS[word];
}

/** The moment that argument `index` means, in milliseconds since the epoch; a text is the error. */
export function parseExpiry(call: Call, index: number, unit: ExpiryUnit): number | string {
  const amount = parseInteger(call.command.text(index));
  if (amount === undefined) return NOT_AN_INTEGER;
  const nowMs = unit.isAbsolute ? 0 : call.server.kv.nowMs();
  const expiresAtMs = amount * unit.milliseconds + nowMs;
  return Number.isSafeInteger(expiresAtMs) ? expiresAtMs : invalidExpireTime(call.name);
}

/** The same for commands that refuse a time which is not positive. */
export function parsePositiveExpiry(call: Call, index: number, unit: ExpiryUnit): number | string {
  const amount = parseInteger(call.command.text(index));
  if (amount !== undefined && amount <= 0) return invalidExpireTime(call.name);
  return parseExpiry(call, index, unit);
}
