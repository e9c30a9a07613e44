import type { ClientRequest, RequestOptions } from "node:http";
import type { Address } from "@evenkeel/core";

/** The way to one address of an endpoint. */
export interface Route {
  readonly address: Address;
  /** Requests that it takes at a time. */
  readonly maxStreams: number;
  /**
   * Connects once, before any request, and tells how that went, after it has returned. Tells a second time, with the
   * error, if that socket breaks before a request has taken it.
   */
  open(done: (error?: Error) => void): void;
  /** Begins a request. Throws what `http.request` throws. */
  request(options: RequestOptions): ClientRequest;
  /** Closes the sockets that are its own, also those in use. */
  close(): void;
}
