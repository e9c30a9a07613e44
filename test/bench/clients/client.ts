import type { ClientJob } from "../messages.ts";

/**
 * Makes one RPC, and resolves to how many messages it brought. Rejects when it fails, or does not bring what it should.
 */
export type Caller = () => Promise<number>;

/** Opens a client of the five endpoints that does nothing else than the job. */
export type ClientFactory = (job: ClientJob) => Caller;

/** The bytes of a small request's payload. */
export const requestPayload: Uint8Array = new Uint8Array(16).fill(0x5a);

/** The load features of the operation `real`. */
export const timeoutMs = 5_000;
export const requestHeaders: Readonly<Record<string, string>> = {
  "x-tenant": "tenant-1",
  "x-trace-id": "4bf92f3577b34da6a3ce929d0e0e4736",
};

export function check(payloadBytes: number, expected: number): void {
  if (payloadBytes !== expected) throw new Error(`expected ${expected} bytes of payload, got ${payloadBytes}`);
}
