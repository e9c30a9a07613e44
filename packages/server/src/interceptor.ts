import type { ContextKey, ContextValues, Interceptor } from "@connectrpc/connect";
import type { Timer } from "./clock.ts";

/** Response header that names the pod that answered an RPC. */
export const podHeader = "x-evenkeel-pod";

/**
 * Context value that tells a handler when its server drains: `context.values.get(drainingSignal)` aborts when the
 * server stops to listen, so that a stream without an end of its own can end. Without a lifecycle's interceptor it is a
 * signal that never aborts.
 */
export const drainingSignal: ContextKey<AbortSignal> = {
  id: Symbol("evenkeel.draining"),
  defaultValue: new AbortController().signal,
};

/**
 * Context value that hints to a streaming handler that its stream is old: `context.values.get(streamAgeSignal)` aborts
 * at the lifecycle's `maxStreamAgeMs`. A stream that ends then is opened anew, perhaps at another pod. Without that
 * option, for unary RPCs, and without a lifecycle's interceptor it is a signal that never aborts.
 */
export const streamAgeSignal: ContextKey<AbortSignal> = {
  id: Symbol("evenkeel.streamAge"),
  defaultValue: new AbortController().signal,
};

/** What the interceptor tells and asks its lifecycle. */
export interface RpcHost {
  readonly podName: string;
  readonly draining: AbortSignal;
  /** @returns what to call when the RPC has ended, as often as one likes */
  beginRpc(): () => void;
  /** @returns the timer of a stream's maximum age, nothing when there is none */
  onStreamAge(callback: () => void): Timer | undefined;
}

/**
 * Counts RPCs from the call of the handler until the response is complete, failed, or abandoned (the client cancelled,
 * the deadline passed, the connection was lost).
 */
export function createInterceptor(host: RpcHost): Interceptor {
  return (next) => async (request) => {
    const endRpc = host.beginRpc();
    const age = request.stream ? watchAge(host, request.contextValues) : undefined;
    const end = (): void => {
      age?.cancel();
      endRpc();
    };
    request.signal.addEventListener("abort", end, { once: true });
    request.contextValues.set(drainingSignal, host.draining);
    try {
      const response = await next(request);
      response.header.set(podHeader, host.podName);
      if (response.stream && !request.signal.aborted) return { ...response, message: endWith(response.message, end) };
      end();
      return response;
    } catch (error) {
      end();
      namePod(error, host.podName);
      throw error;
    }
  };
}

function watchAge(host: RpcHost, contextValues: ContextValues): Timer | undefined {
  const age = new AbortController();
  const timer = host.onStreamAge(() => age.abort());
  if (timer !== undefined) contextValues.set(streamAgeSignal, age.signal);
  return timer;
}

/** A ConnectError's metadata become response headers or trailers. */
function namePod(error: unknown, podName: string): void {
  if (!(error instanceof Error) || !("metadata" in error) || !(error.metadata instanceof Headers)) return;
  error.metadata.set(podHeader, podName);
}

async function* endWith<T>(messages: AsyncIterable<T>, end: () => void): AsyncIterable<T> {
  try {
    yield* messages;
  } finally {
    end();
  }
}
