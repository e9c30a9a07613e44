import type { DescMessage, DescMethodUnary, DescService, Message, MessageShape } from "@bufbuild/protobuf";
import type { UnaryResponse } from "@connectrpc/connect";
import type { HeaderList } from "@evenkeel/core";
import { toHeaders } from "./headers.ts";

/** A response whose headers and trailers are made when somebody looks. They are its own properties: it may be spread. */
export class LazyUnaryResponse<I extends DescMessage, O extends DescMessage> implements UnaryResponse<I, O> {
  readonly stream = false;
  readonly service: DescService;
  readonly method: DescMethodUnary<I, O>;
  readonly message: MessageShape<O>;
  declare readonly header: Headers;
  declare readonly trailer: Headers;
  #header: HeaderList | Headers;
  #trailer: HeaderList | Headers;

  constructor(method: DescMethodUnary<I, O>, message: MessageShape<O>, header: HeaderList, trailer: HeaderList) {
    this.service = method.parent;
    this.method = method;
    this.message = message;
    this.#header = header;
    this.#trailer = trailer;
    Object.defineProperty(this, "header", LazyUnaryResponse.#headerProperty);
    Object.defineProperty(this, "trailer", LazyUnaryResponse.#trailerProperty);
  }

  static readonly #headerProperty: PropertyDescriptor & ThisType<LazyUnaryResponse<DescMessage, DescMessage>> = {
    enumerable: true,
    get() {
      if (!(this.#header instanceof Headers)) this.#header = toHeaders(this.#header);
      return this.#header;
    },
  };

  static readonly #trailerProperty: PropertyDescriptor & ThisType<LazyUnaryResponse<DescMessage, DescMessage>> = {
    enumerable: true,
    get() {
      if (!(this.#trailer instanceof Headers)) this.#trailer = toHeaders(this.#trailer);
      return this.#trailer;
    },
  };
}

/** For calls with interceptors, which may do anything with it. */
export function plainUnaryResponse(
  method: DescMethodUnary,
  message: Message,
  header: HeaderList,
  trailer: HeaderList,
): UnaryResponse {
  return {
    stream: false,
    service: method.parent,
    method,
    header: toHeaders(header),
    message,
    trailer: toHeaders(trailer),
  };
}

export function lazyUnaryResponse(
  method: DescMethodUnary,
  message: Message,
  header: HeaderList,
  trailer: HeaderList,
): UnaryResponse {
  return new LazyUnaryResponse(method, message, header, trailer);
}
