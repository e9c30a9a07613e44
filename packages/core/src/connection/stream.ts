import type { StreamFate } from "../outcome/fate.ts";

/** The request line and headers of a stream. */
export interface RequestHead {
  readonly method: string;
  /** `:path`, with its query. */
  readonly path: string;
  /** Lower-case names, no pseudo-headers. A list that is handed in again may be encoded only once: it must not change. */
  readonly headers: HeaderList;
  /** Further headers, of this request alone. */
  readonly furtherHeaders?: HeaderList;
  /** Whether no body follows. */
  readonly endStream: boolean;
  /**
   * Whether it is no RPC, but asks after the connection itself, as a health check does: it counts neither in `inFlight`
   * and `answered` nor in `streamsLost`, and keeps neither the connection open nor the process alive. Default false.
   */
  readonly background?: boolean;
}

export type HeaderList = readonly (readonly [name: string, value: string])[];

/** The sending side of one HTTP/2 stream, and the reins of its receiving side. */
export interface Stream {
  /** Sends body bytes; `false` asks to wait for `listener.drained`. After the end of the stream it does nothing. */
  write(chunk: Uint8Array): boolean;
  /** Ends the request body, with its last bytes where there are any. */
  end(chunk?: Uint8Array): void;
  /** Takes no more bytes than the peer may send already, one window at most, until `resume`. */
  pause(): void;
  resume(): void;
  /** Gives the stream up: RST_STREAM(CANCEL). `closed` follows, with `reason` as its error. */
  cancel(reason: Error): void;
}

/** What a stream tells its owner, in the order below; `closed` always, exactly once, and last. */
export interface StreamListener {
  headers(status: number, headers: HeaderList): void;
  /** The chunk's memory is used again as soon as this returns. */
  data(chunk: Uint8Array): void;
  /** The peer takes more body bytes after `write` had returned `false`. */
  drained(): void;
  trailers(trailers: HeaderList): void;
  /** The connection became suspect. May come at any time before `closed`, and again. */
  suspected?(): void;
  closed(end: StreamEnd): void;
}

/** How a stream ended. */
export type StreamEnd =
  /** END_STREAM arrived: the response is whole. */
  | { readonly kind: "complete" }
  /** It ended before that. */
  | {
      readonly kind: "broken";
      readonly fate: Exclude<StreamFate, "answered">;
      /** The HTTP/2 error code of the reset, where one was received. */
      readonly errorCode: number | undefined;
      /** What was seen, and on which connection. */
      readonly error: Error;
    };
