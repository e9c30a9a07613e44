import type { UniversalClientFn, UniversalClientRequest, UniversalClientResponse } from "@connectrpc/connect/protocol";
import type { Channel, Connection, HeaderList, RequestHead, Stream, StreamEnd, StreamListener } from "@evenkeel/core";
import type { Attempt } from "./attempt.ts";
import { brokenError, toConnectError } from "./errors.ts";

/** Bytes of a response that wait for their reader before the sender is held back. */
const readAheadBytes = 64 * 1024;

/** The HTTP client of Connect's protocol implementations: each request goes to a connection that the channel picks. */
export function createHttpClient(channel: Channel, attemptOf: (signal: AbortSignal) => Attempt): UniversalClientFn {
  return (request) =>
    new Promise((resolve, reject) => {
      const { signal } = request;
      if (signal === undefined) throw new TypeError("a request without a signal");
      const attempt = attemptOf(signal);
      channel.pick(
        attempt.info,
        {
          picked: (connection) => exchange(connection, request, signal, attempt, resolve, reject),
          failed: (error) => reject(toConnectError(error)),
        },
        signal,
      );
    });
}

function exchange(
  connection: Connection,
  request: UniversalClientRequest,
  signal: AbortSignal,
  attempt: Attempt,
  resolve: (response: UniversalClientResponse) => void,
  reject: (error: Error) => void,
): void {
  attempt.picked(connection);
  const body = new Body();
  const trailer = new Headers();
  let drained: (() => void) | undefined;
  const fail = (error: Error): void => {
    reject(error);
    body.fail(error);
  };
  const listener: StreamListener = {
    headers(status, headers) {
      attempt.responded();
      resolve({ status, header: toHeaders(headers), body, trailer });
    },
    data: (chunk) => body.push(chunk),
    drained: () => drained?.(),
    trailers(trailers) {
      for (const [name, value] of trailers) trailer.append(name, value);
    },
    closed(end: StreamEnd) {
      attempt.closed(end);
      signal.removeEventListener("abort", onAbort);
      drained?.();
      if (end.kind === "complete") body.end();
      else fail(brokenError(end));
    },
  };
  let stream: Stream;
  try {
    stream = connection.open(toRequestHead(request), listener);
  } catch (error) {
    fail(toConnectError(error));
    return;
  }
  attempt.opened(stream);
  body.attach(stream);
  const onAbort = (): void => stream.cancel(toConnectError(signal.reason));
  signal.addEventListener("abort", onAbort);
  if (request.body === undefined) return;
  send(request.body, stream, attempt, () => new Promise<void>((done) => (drained = done))).catch((error: unknown) => {
    const reason = toConnectError(error);
    reject(reason);
    stream.cancel(reason);
  });
}

async function send(
  chunks: AsyncIterable<Uint8Array>,
  stream: Stream,
  attempt: Attempt,
  drained: () => Promise<void>,
): Promise<void> {
  for await (const chunk of chunks) {
    if (attempt.end !== undefined) return;
    attempt.sent(chunk.byteLength);
    if (!stream.write(chunk)) await drained();
  }
  stream.end();
}

/** The bytes of a response, for one reader. Holds the sender back when the reader is slow. */
class Body implements AsyncIterable<Uint8Array> {
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #end: { readonly error: Error | undefined } | undefined;
  #wake: (() => void) | undefined;
  #stream: Stream | undefined;
  #paused = false;

  attach(stream: Stream): void {
    this.#stream = stream;
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.byteLength;
    if (this.#bytes > readAheadBytes && !this.#paused) {
      this.#paused = true;
      this.#stream?.pause();
    }
    this.#wake?.();
  }

  end(): void {
    this.#end ??= { error: undefined };
    this.#wake?.();
  }

  fail(error: Error): void {
    this.#end ??= { error };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunks = this.#chunks;
      this.#chunks = [];
      this.#bytes = 0;
      yield* chunks;
      if (this.#chunks.length > 0) continue;
      if (this.#end?.error !== undefined) throw this.#end.error;
      if (this.#end !== undefined) return;
      if (this.#paused) {
        this.#paused = false;
        this.#stream?.resume();
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}

function toRequestHead(request: UniversalClientRequest): RequestHead {
  return {
    method: request.method,
    path: pathOf(request.url),
    headers: [...request.header],
    endStream: request.body === undefined,
  };
}

function pathOf(url: string): string {
  return url.slice(url.indexOf("/", url.indexOf("://") + 3));
}

function toHeaders(list: HeaderList): Headers {
  const headers = new Headers();
  for (const [name, value] of list) headers.append(name, value);
  return headers;
}
