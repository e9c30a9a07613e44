import { seededRandom } from "@evenkeel/testing";

// What callers and pods agree on.

/** Request header: the number of the call. */
export const idHeader = "x-soak-id";
/** Request header: the bytes of payload in each message of the request. */
export const bytesHeader = "x-soak-bytes";
/** Request header: the code that the pod is to answer a charge with, after it was executed. */
export const failHeader = "x-soak-fail";

export const maxPayloadBytes = 8 * 1024 * 1024;

const offsets = 65_521;
const noise = makeNoise(maxPayloadBytes + offsets);

/** The payload of the message `seed`: not to be written to. */
export function payloadOf(seed: number, bytes: number): Uint8Array<ArrayBuffer> {
  const offset = seed % offsets;
  return noise.subarray(offset, offset + bytes);
}

/** What is wrong with a payload that should be `payloadOf(seed, bytes)`; `undefined` when nothing is. */
export function faultOf(payload: Uint8Array, seed: number, bytes: number): string | undefined {
  if (payload.byteLength !== bytes) return `a payload of ${payload.byteLength} bytes instead of ${bytes}`;
  if (Buffer.compare(payload, payloadOf(seed, bytes)) !== 0) return `other ${bytes} bytes of payload than were sent`;
  return undefined;
}

function makeNoise(bytes: number): Uint8Array<ArrayBuffer> {
  const random = seededRandom(1);
  const words = new Uint32Array(Math.ceil(bytes / 4));
  for (let index = 0; index < words.length; index++) words[index] = random() * 2 ** 32;
  return new Uint8Array(words.buffer, 0, bytes);
}
