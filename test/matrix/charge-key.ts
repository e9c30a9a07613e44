/**
 * A charge carries its key as payload, four bytes, and its response the same: each key is used for one RPC of the whole
 * run.
 */
export function payloadOf(key: number): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, key);
  return payload;
}

/** `NaN` of what is no key. */
export function keyOf(payload: Uint8Array): number {
  if (payload.length !== 4) return Number.NaN;
  return new DataView(payload.buffer, payload.byteOffset, 4).getUint32(0);
}

/** How long a charge takes, in milliseconds: 1 to 5. */
export function workMs(key: number): number {
  return 1 + (key % 5);
}
