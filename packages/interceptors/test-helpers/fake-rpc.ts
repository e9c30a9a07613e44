import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  createContextValues,
  type Interceptor,
  type StreamRequest,
  type StreamResponse,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import { ChargeResponseSchema, CountResponseSchema, DemoService } from "../gen/demo/v1/demo_pb.ts";

export interface FakeRequestInit {
  readonly signal?: AbortSignal;
  readonly header?: HeadersInit;
}

function common({ signal = new AbortController().signal, header }: FakeRequestInit) {
  return {
    service: DemoService,
    requestMethod: "POST",
    url: "http://orders.test/demo.v1.DemoService/Any",
    signal,
    header: new Headers(header),
    contextValues: createContextValues(),
  };
}

/** A request as a server's interceptors see it. */
export function unaryRequest(init: FakeRequestInit = {}): UnaryRequest {
  const { charge } = DemoService.method;
  return { ...common(init), stream: false, method: charge, message: create(charge.input) };
}

type StreamMethod = "count" | "collect" | "chat";

export function streamRequest(init: FakeRequestInit = {}, method: StreamMethod = "count"): StreamRequest {
  return { ...common(init), stream: true, method: DemoService.method[method], message: each() };
}

export function unaryResponse(init: MessageInitShape<typeof ChargeResponseSchema> = {}): UnaryResponse {
  return {
    stream: false,
    service: DemoService,
    method: DemoService.method.charge,
    header: new Headers(),
    trailer: new Headers(),
    message: create(ChargeResponseSchema, init),
  };
}

export function streamResponse(message: AsyncIterable<unknown> = each()): StreamResponse {
  return {
    stream: true,
    service: DemoService,
    method: DemoService.method.count,
    header: new Headers(),
    trailer: new Headers(),
    // what messages are does not matter to the interceptors
    message: message as StreamResponse["message"],
  };
}

export async function* each<T>(...values: T[]): AsyncGenerator<T> {
  for (const value of values) yield value;
}

export async function* numbers(to: number): AsyncGenerator<object> {
  for (let number = 1; number <= to; number++) yield create(CountResponseSchema, { number });
}

/** What is called after the interceptors. */
export type Handler = (request: UnaryRequest | StreamRequest) => Promise<UnaryResponse | StreamResponse>;

/** The first interceptor is outermost. */
export function compose(interceptors: readonly Interceptor[], handler: Handler): Handler {
  let next = handler;
  for (const interceptor of interceptors.toReversed()) next = interceptor(next);
  return next;
}

/** The messages of a response that has to be a stream. */
export function reader(response: UnaryResponse | StreamResponse): AsyncIterator<object> {
  if (!response.stream) throw new Error("the response is no stream");
  return response.message[Symbol.asyncIterator]();
}
