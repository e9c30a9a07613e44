import { Code, ConnectError } from "@connectrpc/connect";

/** Throws ResourceExhausted for a message that is too large to be sent. */
export function checkWriteLimit(writeMaxBytes: number, bytes: number): void {
  if (bytes <= writeMaxBytes) return;
  const message = `message size ${bytes} is larger than configured writeMaxBytes ${writeMaxBytes}`;
  throw new ConnectError(message, Code.ResourceExhausted);
}

/** Throws ResourceExhausted for a message of `bytes`, or of more than that, which is too large to be received. */
export function checkReadLimit(readMaxBytes: number, bytes: number, isWhole: boolean): void {
  if (bytes <= readMaxBytes) return;
  const size = isWhole ? `message size ${bytes}` : "message size";
  throw new ConnectError(`${size} is larger than configured readMaxBytes ${readMaxBytes}`, Code.ResourceExhausted);
}
