import {
  type Channel,
  type Connection,
  createChannel,
  type Endpoint,
  type PickHandler,
  type Stream,
  staticEndpoints,
} from "@evenkeel/core";
import { type FakeRpc, fakeEndpoint } from "./candidate.ts";
import type { Subject } from "./measure.ts";

/** A connection that is ready at once, and has as many RPCs as it is told. */
class CountingConnection implements Connection {
  endpoint: Endpoint;
  readonly label: string;
  readonly maxStreams = 1_000;
  readonly answered = 0;
  readonly suspect = false;
  rpcs = 0;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
    this.label = `connection to ${endpoint.key}`;
  }

  get inFlight(): number {
    return this.rpcs;
  }

  open(): Stream {
    throw new Error("picks open no streams");
  }

  drain(): void {}

  destroy(): void {}
}

/** Connects a channel; its picks are those of the default policy. */
export async function channelSubject(
  count: number,
): Promise<{ readonly channel: Channel; readonly subject: Subject<CountingConnection> }> {
  const endpoints = Array.from({ length: count }, (_, index) => fakeEndpoint(index, 1));
  let ready = 0;
  const { promise: connected, resolve } = Promise.withResolvers<void>();
  const channel = createChannel({
    target: "http://orders:8080",
    resolver: staticEndpoints(endpoints.map(({ addresses: [{ host, port }] }) => ({ host, port }))),
    connector: {
      connect(endpoint, listener) {
        const connection = new CountingConnection(endpoint);
        queueMicrotask(() => {
          listener.ready();
          if (++ready === count) resolve();
        });
        return connection;
      },
    },
  });
  channel.connect();
  await connected;
  const handler = new Handler();
  return {
    channel,
    subject: {
      pick(rpc: FakeRpc) {
        channel.pick(rpc, handler);
        const { connection } = handler;
        if (connection === undefined) throw new Error("an RPC waits");
        return connection;
      },
      begin: (connection) => {
        connection.rpcs++;
      },
      end: (connection) => {
        connection.rpcs--;
      },
      report: (connection, rpc, outcome) => channel.report(connection, rpc, outcome),
    },
  };
}

class Handler implements PickHandler {
  connection: CountingConnection | undefined;

  picked(connection: Connection): void {
    this.connection = connection as CountingConnection;
  }

  failed(error: Error): void {
    throw error;
  }
}
