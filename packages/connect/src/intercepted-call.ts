import {
  create,
  type DescMessage,
  type DescMethodStreaming,
  type DescMethodUnary,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import {
  type ContextValues,
  createContextValues,
  type Interceptor,
  type StreamRequest,
  type StreamResponse,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import type { CallContext } from "./call.ts";
import { CallScope } from "./call-scope.ts";
import { InterceptedMessages } from "./intercepted-messages.ts";
import { type MethodPlan, pathOfGiven } from "./method-plan.ts";
import { NormalizedMessages } from "./normalized-messages.ts";
import type { Protocol, Timeout } from "./protocol.ts";
import { ResponseMessages } from "./response-messages.ts";
import { StreamCall } from "./stream-call.ts";
import { UnaryCall } from "./unary-call.ts";
import { plainUnaryResponse } from "./unary-response.ts";

export interface InterceptedInit {
  readonly context: CallContext;
  readonly protocol: Protocol;
  readonly interceptors: readonly Interceptor[];
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  readonly header: HeadersInit | undefined;
  readonly contextValues: ContextValues | undefined;
}

/** A unary RPC through interceptors, each of which may send it as often as it likes. */
export function interceptUnary<I extends DescMessage, O extends DescMessage>(
  init: InterceptedInit,
  plan: MethodPlan<DescMethodUnary<I, O>>,
  input: MessageInitShape<I>,
): Promise<UnaryResponse> {
  const { context, protocol } = init;
  const { method, url } = plan;
  const timeout = timeoutOf(init);
  const header = protocol.visibleHeaders(init.header, timeout);
  const message = create(method.input, input);
  const contextValues = init.contextValues ?? createContextValues();
  const scope = new CallScope(context.clock, init.signal, init.timeoutMs);
  let own: AbortSignal | undefined;
  const request: UnaryRequest = {
    stream: false,
    service: method.parent,
    method,
    requestMethod: "POST",
    url,
    get signal() {
      return own ?? scope.signal;
    },
    set signal(signal: AbortSignal) {
      own = signal;
    },
    header,
    contextValues,
    message,
  };
  const send = (sent: UnaryRequest): Promise<UnaryResponse> => {
    const foreign = sent === request ? own : foreignSignal(sent.signal, scope);
    const call = new UnaryCall({
      context,
      plan,
      protocol,
      ...scopeOf(foreign, scope, context),
      contextValues: sent.contextValues,
      message: sent.message,
      headers: { kind: "seen", headers: sent.header, timeout, url: sent.url },
      toResponse: plainUnaryResponse,
    });
    return call.run();
  };
  return settled(scope, () => compose(send, init.interceptors)(request));
}

/** A streaming RPC through interceptors. */
export function interceptStream<I extends DescMessage, O extends DescMessage>(
  init: InterceptedInit,
  plan: MethodPlan<DescMethodStreaming<I, O>>,
  input: AsyncIterable<MessageInitShape<I>>,
): Promise<StreamResponse> {
  const { context, protocol } = init;
  const { method, url } = plan;
  const timeout = timeoutOf(init);
  const header = protocol.visibleHeaders(init.header, timeout);
  const contextValues = init.contextValues ?? createContextValues();
  const scope = new CallScope(context.clock, init.signal, init.timeoutMs);
  const messages = new NormalizedMessages(method.input, input);
  let own: AbortSignal | undefined;
  const request: StreamRequest = {
    stream: true,
    service: method.parent,
    method,
    requestMethod: "POST",
    url,
    get signal() {
      return own ?? scope.signal;
    },
    set signal(signal: AbortSignal) {
      own = signal;
    },
    header,
    contextValues,
    message: messages,
  };
  const hasTimeout = init.timeoutMs !== undefined;
  const send = async (sent: StreamRequest): Promise<StreamResponse> => {
    const foreign = sent === request ? own : foreignSignal(sent.signal, scope);
    const call = new StreamCall({
      context,
      plan,
      protocol,
      ...scopeOf(foreign, scope, context),
      contextValues: sent.contextValues,
      messages: sent.message,
      path: sent.url === url ? plan.path : pathOfGiven(sent.url),
      headers: protocol.sentHeaders(sent.header, { isGet: false, isCompressed: false, hasTimeout }, timeout),
    });
    return { ...(await call.run()), stream: true, service: method.parent, method, message: new ResponseMessages(call) };
  };
  scope.onClose = (error) => messages.close(error);
  const next = compose(send, init.interceptors);
  const read = (response: StreamResponse): StreamResponse => {
    return { ...response, message: new InterceptedMessages(response.message, scope) };
  };
  return settled(scope, () => next(request).then(read), false);
}

type Next<Q, S> = (request: Q) => Promise<S>;

/** As Connect does it: the first interceptor is outermost, and every call has its own chain. */
function compose<Q, S>(send: Next<Q, S>, interceptors: readonly Interceptor[]): Next<Q, S> {
  // an interceptor is typed for both kinds of RPC, and passes on what it is given
  let next = send as unknown as ReturnType<Interceptor>;
  for (const interceptor of interceptors.toReversed()) next = interceptor(next);
  return next as unknown as Next<Q, S>;
}

/** Ends the scope with the call; what ended it from outside is what the call fails with. */
function settled<S>(scope: CallScope, call: () => Promise<S>, closes = true): Promise<S> {
  try {
    return call().then(
      (response) => {
        if (closes) scope.close();
        return response;
      },
      (reason: unknown) => {
        throw scope.fail(reason);
      },
    );
  } catch (error) {
    scope.fail(error);
    throw error;
  }
}

function timeoutOf({ protocol, timeoutMs }: InterceptedInit): Timeout {
  return timeoutMs === undefined ? undefined : [protocol.timeoutHeader, protocol.timeoutValue(timeoutMs)];
}

function foreignSignal(signal: AbortSignal, scope: CallScope): AbortSignal | undefined {
  return scope.owns(signal) ? undefined : signal;
}

/** An interceptor that gives a call another signal takes it out of the call's scope, but for what the server is told. */
function scopeOf(
  foreign: AbortSignal | undefined,
  scope: CallScope,
  { clock }: CallContext,
): { readonly scope: CallScope; readonly ownsScope: boolean; readonly deadline: CallScope } {
  if (foreign === undefined) return { scope, ownsScope: false, deadline: scope };
  return { scope: new CallScope(clock, foreign, undefined), ownsScope: true, deadline: scope };
}
