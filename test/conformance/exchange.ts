import { setTimeout as delay } from "node:timers/promises";
import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { type Any, AnySchema, anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import { type CallOptions, ConnectError } from "@connectrpc/connect";
import { Cancellation } from "./cancellation.ts";
import {
  type ClientCompatRequest,
  type ClientResponseResult,
  ClientResponseResultSchema,
} from "./gen/proto/connectrpc/conformance/v1/client_compat_pb.ts";
import { type Code, StreamType } from "./gen/proto/connectrpc/conformance/v1/config_pb.ts";
import {
  type ConformancePayload,
  ConformancePayloadSchema,
  ErrorSchema,
  type Header,
  HeaderSchema,
} from "./gen/proto/connectrpc/conformance/v1/service_pb.ts";

/** The messages of one RPC: those that the request wants sent, and what came back. */
export class Exchange {
  readonly options: CallOptions;
  readonly #request: ClientCompatRequest;
  readonly #cancellation: Cancellation;
  readonly #result: ClientResponseResult = create(ClientResponseResultSchema);
  #unsent: number;
  #hasHeaders = false;
  #progress = Promise.withResolvers<void>();

  constructor(request: ClientCompatRequest) {
    this.#request = request;
    this.#unsent = request.requestMessages.length;
    this.#cancellation = new Cancellation(request);
    this.options = {
      headers: request.requestHeaders.flatMap(({ name, value }) => value.map((each): [string, string] => [name, each])),
      signal: this.#cancellation.signal,
      ...(request.timeoutMs === undefined ? {} : { timeoutMs: request.timeoutMs }),
      onHeader: (headers) => {
        this.#hasHeaders = true;
        this.#result.responseHeaders = toHeaders(headers);
      },
      onTrailer: (trailers) => {
        this.#result.responseTrailers = toHeaders(trailers);
      },
    };
  }

  /** What became of `rpc`, which uses this exchange. Rejects with its error if that is no `ConnectError`. */
  async run(rpc: () => Promise<void>): Promise<ClientResponseResult> {
    try {
      await rpc();
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      this.#fail(error);
    } finally {
      this.#cancellation.end();
      this.#progress.resolve(); // lets go of `all`
    }
    return this.#result;
  }

  /** The request of an RPC that has just one, about to be sent. */
  async only<D extends DescMessage>(desc: D): Promise<MessageShape<D>> {
    const [any, ...others] = this.#request.requestMessages;
    if (any === undefined || others.length > 0) {
      throw new TypeError(`expected one request message, got ${this.#request.requestMessages.length}`);
    }
    const message = unpack(any, desc);
    await delay(this.#request.requestDelayMs);
    this.#unsent--;
    this.#cancellation.afterCloseSend();
    return message;
  }

  /** The requests of a stream, at their times. Full duplex: each but the first waits for the response to the last. */
  async *all<D extends DescMessage>(desc: D): AsyncGenerator<MessageShape<D>> {
    const isLockstep = this.#request.streamType === StreamType.FULL_DUPLEX_BIDI_STREAM;
    const messages = this.#request.requestMessages.map((any) => unpack(any, desc));
    for (const message of messages) {
      await delay(this.#request.requestDelayMs);
      this.#progress = Promise.withResolvers();
      this.#unsent--;
      yield message;
      if (isLockstep) await this.#progress.promise;
    }
    this.#cancellation.beforeCloseSend();
    this.#cancellation.afterCloseSend();
  }

  /** A response; without a payload, it counts as one with an empty payload. */
  receive(response: Response): void {
    this.#result.payloads.push(response.payload ?? create(ConformancePayloadSchema));
    this.#cancellation.afterResponse(this.#result.payloads.length);
    this.#progress.resolve();
  }

  async receiveAll(responses: AsyncIterable<Response>): Promise<void> {
    for await (const response of responses) this.receive(response);
  }

  #fail(error: ConnectError): void {
    // a unary RPC that failed does not tell its headers from its trailers: the runner takes all of them as trailers
    const metadata = toHeaders(error.metadata);
    if (!this.#hasHeaders) this.#result.responseHeaders = metadata;
    this.#result.responseTrailers = metadata;
    this.#result.numUnsentRequests = this.#unsent;
    this.#result.error = create(ErrorSchema, {
      code: error.code as number as Code, // the same numbers
      message: error.rawMessage,
      details: error.details.map(toAny),
    });
  }
}

interface Response {
  readonly payload?: ConformancePayload | undefined;
}

function unpack<D extends DescMessage>(any: Any, desc: D): MessageShape<D> {
  const message = anyUnpack(any, desc);
  if (message === undefined) throw new TypeError(`expected a request of type ${desc.typeName}, got ${any.typeUrl}`);
  return message;
}

function toAny(detail: ConnectError["details"][number]): Any {
  if ("desc" in detail) return anyPack(detail.desc, create(detail.desc, detail.value));
  return create(AnySchema, { typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value });
}

function toHeaders(headers: Headers): Header[] {
  return [...headers].map(([name, value]) => create(HeaderSchema, { name, value: [value] }));
}
