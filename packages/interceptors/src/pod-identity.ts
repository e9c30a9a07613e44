import { hostname } from "node:os";
import type { Interceptor } from "@connectrpc/connect";
import { checkKeys, typeOption } from "@evenkeel/core";

/** Response header that names the pod that answered an RPC; the same as that of `@evenkeel/server`. */
export const podHeader = "x-evenkeel-pod";

export interface PodIdentityOptions {
  /** Visible ASCII, since it is the value of a header. Default: the environment's POD_NAME, else the host name. */
  readonly podName?: string;
}

/**
 * Names the pod in the response header `x-evenkeel-pod`, and in the metadata of the `ConnectError` that an RPC fails
 * with. For servers without a lifecycle of `@evenkeel/server`, whose interceptor does the same.
 *
 * @throws TypeError or RangeError that names the option and what it allows.
 */
export function podIdentity(options: PodIdentityOptions = {}): Interceptor {
  checkKeys("podIdentity", options, ["podName"]);
  const podName = typeOption("podName", options.podName ?? (process.env["POD_NAME"] || hostname()), "string");
  if (!/^[\x21-\x7e]+$/.test(podName)) {
    throw new RangeError(`podName: expected visible ASCII characters, got ${JSON.stringify(podName)}`);
  }
  return (next) => async (request) => {
    try {
      const response = await next(request);
      response.header.set(podHeader, podName);
      return response;
    } catch (error) {
      // by shape: there may be several copies of ConnectError's class
      if (error instanceof Error && "metadata" in error && error.metadata instanceof Headers) {
        error.metadata.set(podHeader, podName);
      }
      throw error;
    }
  };
}
