/**
 * Values that tell who wrote them, so that a checker needs no copy of the data.
 *
 *     u32 operation | u32 length | length bytes that follow from the operation | u32 checksum
 *
 * Every write of a run has another operation number, hence another value. Reading turns the bytes
 * back into the number, or says what is wrong with them: one flipped bit anywhere shows.
 */

const OVERHEAD_BYTES = 12;

/** What stands in a value: the write it came from, or why it came from none. */
export type ValueIdentity =
  | { readonly operation: number; readonly problem?: undefined }
  | { readonly problem: string; readonly operation?: undefined };

export function makeValue(operation: number, bodyBytes: number): Uint8Array {
  const value = new Uint8Array(bodyBytes + OVERHEAD_BYTES);
  const view = new DataView(value.buffer);
  view.setUint32(0, operation);
  view.setUint32(4, bodyBytes);
  fillBody(value.subarray(8, 8 + bodyBytes), operation);
  view.setUint32(8 + bodyBytes, checksum(value.subarray(0, 8 + bodyBytes)));
  return value;
}

export function identify(value: Uint8Array): ValueIdentity {
  if (value.length < OVERHEAD_BYTES) return { problem: `a value of ${value.length} bytes` };
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  const operation = view.getUint32(0);
  const bodyBytes = view.getUint32(4);
  if (bodyBytes + OVERHEAD_BYTES !== value.length) {
    return { problem: `${value.length} bytes that announce a body of ${bodyBytes}` };
  }
  const content = value.subarray(0, 8 + bodyBytes);
  if (view.getUint32(8 + bodyBytes) !== checksum(content)) {
    return { problem: `the value of operation ${operation} with a wrong checksum` };
  }
  return { operation };
}

function fillBody(body: Uint8Array, operation: number): void {
  let state = Math.imul(operation + 1, 0x9e37_79b1);
  for (let at = 0; at < body.length; at++) {
    state = (Math.imul(state, 0x0019_660d) + 0x3c6e_f35f) | 0;
    body[at] = state >>> 24;
  }
}

function checksum(bytes: Uint8Array): number {
  let hash = 0x811c_9dc5;
  for (let at = 0; at < bytes.length; at++) {
    hash = Math.imul(hash ^ (bytes[at] as number), 0x0100_0193);
  }
  return (hash ^ (hash >>> 15)) >>> 0;
}
