import { create } from "@bufbuild/protobuf";
import type { StreamResponse, Transport, UnaryResponse } from "@connectrpc/connect";
import {
  type Channel,
  type Clock,
  type Connector,
  createChannel,
  parseTarget,
  type Random,
  systemClock,
  systemRandom,
} from "@evenkeel/core";
import { healthChecking } from "@evenkeel/health";
import { createHttp2Connector } from "@evenkeel/http2";
import type { CallContext } from "./call.ts";
import { CallScope } from "./call-scope.ts";
import { toHeaderList } from "./headers.ts";
import { http1Channels } from "./http1/channels.ts";
import { createHttp1Connector } from "./http1/connector.ts";
import { interceptStream, interceptUnary } from "./intercepted-call.ts";
import { MethodPlans } from "./method-plan.ts";
import { type ConnectTransportOptions, type ProtocolOptions, protocolOptions, sharedOptions } from "./options.ts";
import type { Protocol } from "./protocol.ts";
import { Rescues } from "./rescues.ts";
import { ResendingRules } from "./resending.ts";
import { ResponseMessages } from "./response-messages.ts";
import { StreamCall } from "./stream-call.ts";
import { effectiveTimeout } from "./timeouts.ts";
import { UnaryCall } from "./unary-call.ts";
import { lazyUnaryResponse } from "./unary-response.ts";

/** A Connect transport that picks a connection for every RPC. */
export interface BalancedTransport extends Transport, AsyncDisposable {
  /** Its endpoints and connections; may be passed to other transports. */
  readonly channel: Channel;
  /** Lets RPCs finish, takes no new ones. A channel that was passed in stays as it is. */
  close(): Promise<void>;
  /** Ends every RPC with `error`. A channel that was passed in stays as it is. */
  destroy(error?: Error): void;
}

/** A protocol, for the two kinds of RPC. */
export interface Protocols {
  readonly unary: Protocol;
  readonly stream: Protocol;
}

/** What tests replace. */
export interface Environment {
  readonly clock: Clock;
  readonly random: Random;
}

/** Sets a protocol on a channel. */
export function createBalancedTransport(
  options: ConnectTransportOptions,
  createProtocols: (options: ProtocolOptions) => Protocols,
  { clock, random }: Environment = { clock: systemClock, random: systemRandom },
): BalancedTransport {
  const protocol = protocolOptions(options);
  const plans = new MethodPlans(protocol, new ResendingRules(options));
  const channel = options.channel ?? createOwnChannel(options);
  const rescues = new Rescues(channel.retryBudget);
  const context: CallContext = { channel, rescues, clock, random, options: protocol };
  const isOwn = options.channel === undefined;
  const close = async (): Promise<void> => {
    if (isOwn) await channel.close();
  };
  return {
    ...createCalls(context, plans, createProtocols(protocol)),
    channel,
    close,
    destroy(error) {
      if (isOwn) channel.destroy(error);
    },
    [Symbol.asyncDispose]: close,
  };
}

type Args<K extends "unary" | "stream"> = Parameters<Transport[K]>;

function createCalls(context: CallContext, plans: MethodPlans, protocols: Protocols): Transport {
  const { clock, options } = context;
  const { interceptors, defaultTimeoutMs } = options;
  const unary = (...[method, signal, timeout, header, input, contextValues]: Args<"unary">): Promise<UnaryResponse> => {
    const plan = plans.of(method);
    const timeoutMs = effectiveTimeout(timeout, defaultTimeoutMs);
    const protocol = protocols.unary;
    if (interceptors.length > 0) {
      const init = { context, protocol, interceptors, signal, timeoutMs, header, contextValues };
      return interceptUnary(init, plan, input);
    }
    const headers = toHeaderList(header);
    const message = create(method.input, input);
    const scope = new CallScope(clock, signal, timeoutMs);
    const call = new UnaryCall({
      context,
      plan,
      protocol,
      scope,
      ownsScope: true,
      deadline: scope,
      contextValues,
      message,
      headers: { kind: "given", headers },
      toResponse: lazyUnaryResponse,
    });
    return call.run();
  };
  const stream = async (
    ...[method, signal, timeout, header, input, contextValues]: Args<"stream">
  ): Promise<StreamResponse> => {
    const plan = plans.of(method);
    const timeoutMs = effectiveTimeout(timeout, defaultTimeoutMs);
    const protocol = protocols.stream;
    if (interceptors.length > 0) {
      const init = { context, protocol, interceptors, signal, timeoutMs, header, contextValues };
      return interceptStream(init, plan, input);
    }
    const kind = { isGet: false, isCompressed: false, hasTimeout: timeoutMs !== undefined };
    const headers = protocol.headers(toHeaderList(header), kind);
    // whose absence is to be noticed before a timer runs
    const messages = { [Symbol.asyncIterator]: input[Symbol.asyncIterator].bind(input) };
    const scope = new CallScope(clock, signal, timeoutMs);
    const { path } = plan;
    const call = new StreamCall({
      context,
      plan,
      protocol,
      scope,
      ownsScope: true,
      deadline: scope,
      contextValues,
      messages,
      path,
      headers,
    });
    const head = await call.run();
    return { ...head, stream: true, service: method.parent, method, message: new ResponseMessages(call) };
  };
  return {
    unary(...call) {
      try {
        // its message is parsed with the schema of the method's output
        return unary(...(call as unknown as Args<"unary">)) as Promise<never>;
      } catch (error) {
        return Promise.reject(error);
      }
    },
    stream: (...call) => stream(...(call as unknown as Args<"stream">)) as Promise<never>,
  };
}

function createOwnChannel(options: ConnectTransportOptions): Channel {
  const { baseUrl, idleConnectionTimeoutMs } = options;
  const shared = Object.fromEntries(sharedOptions.map((name) => [name, options[name]]));
  const channel = createChannel({
    target: baseUrl,
    connector: createCheckedConnector(options),
    ...given({ ...shared, idleTimeoutMs: idleConnectionTimeoutMs }),
  });
  if (options.httpVersion === "1.1") http1Channels.add(channel);
  return channel;
}

/** What dials, and asks what it dialled after its health. */
function createCheckedConnector(options: ConnectTransportOptions): Connector {
  const { baseUrl, healthCheck, httpVersion } = options;
  const connector = createConnector(options);
  if (healthCheck === undefined) return connector;
  const checked = healthChecking(connector, healthCheck, { target: parseTarget(baseUrl).text });
  const isPolled = "path" in healthCheck && healthCheck.path !== undefined;
  if (httpVersion === "1.1" && !isPolled) {
    const reason = "gRPC, in which services are watched, needs HTTP/2";
    throw new TypeError(`healthCheck with httpVersion "1.1" must be { path, intervalMs?, timeoutMs? }: ${reason}`);
  }
  return checked;
}

/** What dials, by `httpVersion`. */
function createConnector(options: ConnectTransportOptions): Connector {
  const target = parseTarget(options.baseUrl);
  if (options.httpVersion === "1.1") {
    const { nodeOptions, connectTimeoutMs } = options;
    return createHttp1Connector({ target, ...given({ nodeOptions, connectTimeoutMs }) });
  }
  const { nodeOptions, pingIntervalMs, pingIdleConnection, pingTimeoutMs } = options;
  return createHttp2Connector({
    target,
    ...given({ nodeOptions, pingIntervalMs, pingIdleConnection, pingTimeoutMs }),
  });
}

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Leaves out what is undefined. */
function given<T extends object>(options: T): Given<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Given<T>;
}
