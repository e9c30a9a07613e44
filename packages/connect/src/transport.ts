import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import { type Channel, createChannel, parseTarget, RetryBudget, systemClock, systemRandom } from "@evenkeel/core";
import { createHttp2Connector } from "@evenkeel/http2";
import type { Attempt } from "./attempt.ts";
import { attemptLoop } from "./call.ts";
import { createHttpClient } from "./http-client.ts";
import { type ConnectTransportOptions, type ProtocolOptions, protocolOptions } from "./options.ts";

/** A Connect transport that picks a connection for every RPC. */
export interface BalancedTransport extends Transport, AsyncDisposable {
  /** Its endpoints and connections; may be passed to other transports. */
  readonly channel: Channel;
  /** Lets RPCs finish, takes no new ones. A channel that was passed in stays as it is. */
  close(): Promise<void>;
  /** Ends every RPC with `error`. A channel that was passed in stays as it is. */
  destroy(error?: Error): void;
}

/** One of Connect's implementations of its protocols. */
type CreateProtocol = (options: ProtocolOptions & { httpClient: UniversalClientFn }) => Transport;

/** Sets a protocol on a channel. */
export function createBalancedTransport(
  options: ConnectTransportOptions,
  createProtocol: CreateProtocol,
): BalancedTransport {
  const protocol = protocolOptions(options);
  const channel = options.channel ?? createOwnChannel(options);
  const attempts = new WeakMap<AbortSignal, Attempt>();
  const loop = attemptLoop({
    channel,
    budget: new RetryBudget({ clock: systemClock }),
    clock: systemClock,
    random: systemRandom,
    begin: (signal, attempt) => attempts.set(signal, attempt),
  });
  const transport = createProtocol({
    ...protocol,
    interceptors: [...protocol.interceptors, loop],
    httpClient: createHttpClient(channel, (signal) => {
      const attempt = attempts.get(signal);
      if (attempt === undefined) throw new TypeError("a request that no attempt made");
      return attempt;
    }),
  });
  const isOwn = options.channel === undefined;
  const close = async (): Promise<void> => {
    if (isOwn) await channel.close();
  };
  return {
    unary: (...call) => transport.unary(...call),
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      const left = new AbortController();
      const either = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
      const response = await transport.stream(method, either, timeoutMs, header, input, contextValues);
      return { ...response, message: cancelWhenLeft(response.message, left) };
    },
    channel,
    close,
    destroy(error) {
      if (isOwn) channel.destroy(error);
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Gives a response back the `return` that Connect takes from it: to leave it before its end cancels the RPC. */
function cancelWhenLeft<T>(messages: AsyncIterable<T>, left: AbortController): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = messages[Symbol.asyncIterator]();
      return {
        next: () => iterator.next(),
        async return() {
          left.abort(new ConnectError("the response was left before its end", Code.Canceled));
          return { done: true, value: undefined };
        },
      };
    },
  };
}

function createOwnChannel(options: ConnectTransportOptions): Channel {
  const { baseUrl, resolver, policy, connectTimeoutMs, waitForReady, idleConnectionTimeoutMs } = options;
  const { nodeOptions, pingIntervalMs, pingIdleConnection, pingTimeoutMs } = options;
  const connector = createHttp2Connector({
    target: parseTarget(baseUrl),
    ...given({ nodeOptions, pingIntervalMs, pingIdleConnection, pingTimeoutMs }),
  });
  return createChannel({
    target: baseUrl,
    connector,
    ...given({ resolver, policy, connectTimeoutMs, waitForReady, idleTimeoutMs: idleConnectionTimeoutMs }),
  });
}

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Leaves out what is undefined. */
function given<T extends object>(options: T): Given<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Given<T>;
}
