/**
 * Keys in paths. A key is bytes, and a path is text that routers decode as UTF-8, so a key with the
 * byte FF could not pass one. Routes therefore end in `/{keyspace}/{key}`, the router is shown a
 * placeholder for the key (`hideKey`), and the handler decodes the key from the URL as it arrived.
 *
 * Everything after the keyspace is the key: a slash in it may be written plainly or as %2F. With
 * `?keyEncoding=hex` or `base64url` the text holds the bytes in that encoding instead; the keys "."
 * and ".." need that, because HTTP clients resolve them as directories before they send.
 */
import { KvError } from "../model/kv-error.ts";

export const KEY_ENCODINGS = ["percent", "hex", "base64url"] as const;

export type KeyEncoding = (typeof KEY_ENCODINGS)[number];

const KEYED_PATH = /^(\/v1\/(?:kv|endpoints)\/[^/?]*\/)([^?]*)(\?.*)?$/s;

/** The URL for the router: the key, if there is one, replaced by a placeholder. */
export function hideKey(url: string): string {
  return url.replace(KEYED_PATH, (_all, head: string, _key: string, query: string | undefined) => {
    return `${head}-${query ?? ""}`;
  });
}

/** The bytes of the key that a URL names. Throws INVALID_ARGUMENT if its text is malformed. */
export function keyOfUrl(url: string, encoding: KeyEncoding): Uint8Array {
  const text = KEYED_PATH.exec(url)?.[2] ?? "";
  return encoding === "percent" ? percentDecoded(text) : decoded(text, encoding, "key");
}

/**
 * The bytes of a key in a query parameter, which the router has decoded as UTF-8. Throws
 * INVALID_ARGUMENT if its text is malformed.
 */
export function keyOfParameter(text: string, encoding: KeyEncoding, argument: string): Uint8Array {
  if (encoding !== "percent") return decoded(text, encoding, argument);
  if (!text.includes("\ufffd")) return Buffer.from(text, "utf8");
  throw malformed(text, "bytes of UTF-8; others need keyEncoding hex or base64url", argument);
}

/** A key as text, as a path takes it in the same encoding. */
export function textOfKey(key: Uint8Array, encoding: KeyEncoding): string {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.length);
  if (encoding !== "percent") return bytes.toString(encoding);
  return Array.from(bytes, (byte) => {
    const character = String.fromCharCode(byte);
    if (/[\w.~-]/.test(character)) return character;
    return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}

function decoded(text: string, encoding: "hex" | "base64url", argument: string): Uint8Array {
  switch (encoding) {
    case "hex":
      if (!/^(?:[0-9a-fA-F]{2})*$/.test(text)) {
        throw malformed(text, "an even number of hex digits", argument);
      }
      return Buffer.from(text, "hex");
    case "base64url":
      if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) {
        throw malformed(text, "base64url without padding", argument);
      }
      return Buffer.from(text, "base64url");
  }
}

function percentDecoded(text: string): Uint8Array {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) {
    throw malformed(text, "every % to be followed by two hex digits");
  }
  // Node.js hands over each byte of the request line as one character.
  const bytes = Buffer.from(text, "latin1");
  let length = 0;
  for (let position = 0; position < bytes.length; position++) {
    let byte = bytes[position] ?? 0;
    if (byte === 0x25) {
      byte = Number.parseInt(bytes.toString("latin1", position + 1, position + 3), 16);
      position += 2;
    }
    bytes[length++] = byte;
  }
  return bytes.subarray(0, length);
}

function malformed(text: string, expected: string, argument = "key"): KvError {
  const value = text.length <= 100 ? text : `${text.slice(0, 97)}...`;
  return new KvError({ code: "INVALID_ARGUMENT", argument, value, expected });
}
