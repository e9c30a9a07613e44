import { type HeaderList, type RequestHead, StatusCode, StatusError, type Target } from "@evenkeel/core";
import { faultOfField, faultOfValue } from "./header-fields.ts";
import { encodeHeaderBlock } from "./hpack/encoder.ts";
import { sizeOfField } from "./hpack/header-field.ts";

/** What is taken for a peer's limit when it names none: more ends connections to many servers. */
const defaultMaxHeaderListSize = 64 * 1024;

interface EncodedHead {
  readonly method: string;
  readonly path: string;
  readonly block: Buffer;
  /** As RFC 9113, section 6.5.2, counts it. */
  readonly listSize: number;
}

/** Encodes request heads; header lists that are handed in again only once. Connections share it: it has no state. */
export class RequestEncoder {
  readonly #target: Target;
  readonly #encoded = new WeakMap<HeaderList, EncodedHead>();

  constructor(target: Target) {
    this.#target = target;
  }

  /**
   * The block of a head without its further headers. Throws a `TypeError` for malformed headers, a `StatusError` for
   * more than `maxHeaderListSize`, further headers included.
   */
  encode(head: RequestHead, maxHeaderListSize: number): Buffer {
    let encoded = this.#encoded.get(head.headers);
    if (encoded === undefined || encoded.path !== head.path || encoded.method !== head.method) {
      encoded = this.#encode(head);
      this.#encoded.set(head.headers, encoded);
    }
    let listSize = encoded.listSize;
    if (head.furtherHeaders !== undefined) {
      checkFields(head.furtherHeaders);
      for (const field of head.furtherHeaders) listSize += sizeOfField(field);
    }
    const limit = Number.isFinite(maxHeaderListSize) ? maxHeaderListSize : defaultMaxHeaderListSize;
    if (listSize > limit) {
      const message = `request headers of ${listSize} bytes are too large to send: at most ${limit}`;
      throw new StatusError(StatusCode.resourceExhausted, message);
    }
    return encoded.block;
  }

  #encode({ method, path, headers }: RequestHead): EncodedHead {
    const fields: HeaderList = [
      [":method", method],
      [":scheme", this.#target.scheme],
      [":authority", this.#target.authority],
      [":path", path],
      ...headers,
    ];
    for (const [name, value] of fields.slice(0, 4)) check(faultOfValue(name, value));
    checkFields(headers);
    const listSize = fields.reduce((size, field) => size + sizeOfField(field), 0);
    return { method, path, block: encodeHeaderBlock(fields), listSize };
  }
}

function checkFields(fields: HeaderList): void {
  for (const [name, value] of fields) {
    check(faultOfField(name, value));
    if (name === "te" && value !== "trailers") check(`te: ${JSON.stringify(value)}, where HTTP/2 allows trailers`);
    // RFC 9113, section 8.2.1
    if (/^[\t ]|[\t ]$/.test(value)) check(`space around the value of ${JSON.stringify(name)}`);
  }
}

function check(fault: string | undefined): void {
  if (fault !== undefined) throw new TypeError(`malformed request headers: ${fault}`);
}
