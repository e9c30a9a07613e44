import { fromBinary } from "@bufbuild/protobuf";
import {
  type Clock,
  type HeaderList,
  messageOf,
  StatusCode,
  type StreamEnd,
  type StreamListener,
} from "@evenkeel/core";
import { HealthCheckResponseSchema } from "../gen/grpc/health/v1/health_pb.ts";

/** Largest message that is taken: one with a status has 2 bytes. */
const maxMessageBytes = 4 * 1024;
/** Of an envelope: flags, and the length of its message. */
const prefixBytes = 5;
/** Messages that are taken in a second: each may have all connections chosen from anew. */
const maxPerSecond = 100;
/** Of a reason, in characters: it comes into the messages of RPCs, and parts of it from the peer. */
const maxReasonLength = 400;

/** How a watch ended. */
export type WatchEnd =
  /** The server has no such method. */
  | { readonly kind: "unimplemented"; readonly reason: string }
  | { readonly kind: "ended"; readonly reason: string }
  /** What came is no answer to a watch; the stream is still open. */
  | { readonly kind: "malformed"; readonly reason: string };

export interface WatchReader {
  /** The number of a `ServingStatus`, perhaps of one that is not known here. */
  status(status: number): void;
  /** Nothing follows. Once. */
  ended(end: WatchEnd): void;
}

/** Reads the response of `Watch`: gRPC over HTTP/2, without compression, as none is offered. */
export class WatchAnswer implements StreamListener {
  readonly #reader: WatchReader;
  readonly #clock: Clock;
  /** Messages since `#countedFrom`. */
  #count = 0;
  #countedFrom = Number.NEGATIVE_INFINITY;
  #buffered: Buffer = Buffer.alloc(0);
  #headers: HeaderList = [];
  #trailers: HeaderList = [];
  #over = false;

  constructor(reader: WatchReader, clock: Clock) {
    this.#reader = reader;
    this.#clock = clock;
  }

  headers(status: number, headers: HeaderList): void {
    this.#headers = headers;
    if (this.#over || fieldOf(headers, "grpc-status") !== undefined) return;
    // a server without gRPC, or without the service: 404 is UNIMPLEMENTED (gRPC, http-grpc-status-mapping.md)
    if (status === 404) this.#end({ kind: "unimplemented", reason: "HTTP 404" });
    else if (status !== 200) this.#end({ kind: "malformed", reason: `HTTP ${status}` });
    else if (!fieldOf(headers, "content-type")?.startsWith("application/grpc")) {
      this.#end({ kind: "malformed", reason: `content-type ${fieldOf(headers, "content-type")}, which is not gRPC's` });
    }
  }

  data(chunk: Uint8Array): void {
    if (this.#over) return;
    this.#buffered = Buffer.concat([this.#buffered, chunk]);
    while (!this.#over && this.#buffered.length >= prefixBytes) {
      const length = this.#buffered.readUInt32BE(1);
      if (this.#buffered[0] !== 0) {
        this.#end({ kind: "malformed", reason: "a compressed message, though none is asked for" });
      } else if (length > maxMessageBytes) {
        this.#end({ kind: "malformed", reason: `a message of ${length} bytes, more than ${maxMessageBytes}` });
      } else {
        if (this.#buffered.length < prefixBytes + length) return;
        const message = this.#buffered.subarray(prefixBytes, prefixBytes + length);
        this.#buffered = this.#buffered.subarray(prefixBytes + length);
        this.#message(message);
      }
    }
  }

  drained(): void {}

  trailers(trailers: HeaderList): void {
    this.#trailers = trailers;
  }

  closed(end: StreamEnd): void {
    if (end.kind === "broken") {
      this.#end({ kind: "ended", reason: messageOf(end.error) });
      return;
    }
    const fields = fieldOf(this.#trailers, "grpc-status") === undefined ? this.#headers : this.#trailers;
    const status = fieldOf(fields, "grpc-status");
    const message = fieldOf(fields, "grpc-message") ?? "";
    const reason = status === undefined ? "it ended without a status" : `it ended with ${describe(status, message)}`;
    this.#end({ kind: status === String(StatusCode.unimplemented) ? "unimplemented" : "ended", reason });
  }

  #message(bytes: Uint8Array): void {
    if (this.#isTooMuch()) {
      this.#end({ kind: "malformed", reason: `more than ${maxPerSecond} messages in a second` });
      return;
    }
    let status: number;
    try {
      ({ status } = fromBinary(HealthCheckResponseSchema, bytes));
    } catch (error) {
      this.#end({ kind: "malformed", reason: `a message that cannot be read: ${messageOf(error)}` });
      return;
    }
    this.#reader.status(status);
  }

  #isTooMuch(): boolean {
    const now = this.#clock.now();
    if (now - this.#countedFrom >= 1_000) {
      this.#countedFrom = now;
      this.#count = 0;
    }
    return ++this.#count > maxPerSecond;
  }

  #end(end: WatchEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#buffered = Buffer.alloc(0);
    this.#reader.ended({ ...end, reason: end.reason.slice(0, maxReasonLength) });
  }
}

function fieldOf(headers: HeaderList, name: string): string | undefined {
  return headers.find((header) => header[0] === name)?.[1];
}

/** `UNAVAILABLE: the server is shutting down`, by the names of `StatusCode`. */
function describe(status: string, message: string): string {
  const name = Object.entries(StatusCode).find(([, code]) => String(code) === status)?.[0];
  const code = name === undefined ? `grpc-status ${status}` : name.replace(/[A-Z]/g, "_$&").toUpperCase();
  return message === "" ? code : `${code}: ${decoded(message)}`;
}

/** `grpc-message` is percent-encoded; what is not is taken as it is. */
function decoded(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}
