import type { Channel } from "../src/channel.ts";
import type { Connection } from "../src/connection/connection.ts";
import type { RequestHead, Stream, StreamEnd } from "../src/connection/stream.ts";
import type { PickHandler } from "../src/picker/pick-queue.ts";

const head: RequestHead = { method: "POST", path: "/demo.v1.Demo/Call", headers: [], endStream: true };

/** What became of a pick; it opens a stream on the connection that it gets. */
export class Rpc implements PickHandler {
  /** How often the handler was called: once is right. */
  settled = 0;
  connection: Connection | undefined;
  error: Error | undefined;
  stream: Stream | undefined;
  end: StreamEnd | undefined;
  /** Called when the pick is settled, after the stream was opened. */
  readonly #then: ((rpc: Rpc) => void) | undefined;

  constructor(then?: (rpc: Rpc) => void) {
    this.#then = then;
  }

  picked(connection: Connection): void {
    this.settled++;
    this.connection = connection;
    this.stream = connection.open(head, {
      headers() {},
      data() {},
      drained() {},
      trailers() {},
      closed: (end) => {
        this.end = end;
      },
    });
    this.#then?.(this);
  }

  failed(error: Error): void {
    this.settled++;
    this.error = error;
    this.#then?.(this);
  }

  /** `pod-1` once it was picked, the text of the error once it failed, `undefined` while it waits. */
  get outcome(): string | undefined {
    return this.error?.message ?? this.connection?.endpoint.key;
  }
}

export function startRpc(channel: Channel, signal?: AbortSignal, then?: (rpc: Rpc) => void): Rpc {
  const rpc = new Rpc(then);
  channel.pick({ path: head.path }, rpc, signal);
  return rpc;
}
