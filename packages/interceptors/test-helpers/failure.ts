import { ConnectError } from "@connectrpc/connect";
import { expect } from "vitest";

/** The `ConnectError` that an RPC has to fail with. */
export async function failureOf(promise: Promise<unknown>): Promise<ConnectError> {
  const result = await promise.then(
    () => new Error("it succeeded"),
    (error: unknown) => error,
  );
  expect(result).toBeInstanceOf(ConnectError);
  return result as ConnectError;
}
