import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Http2SecureServer, Http2Server } from "node:http2";
import { Server as TcpServer } from "node:net";

export type AnyHttp2Server = Http2Server | Http2SecureServer;

/** Node publishes it within `server.listen()`, before the server listens. */
const listenChannel = "tracing:net.server.listen:asyncStart";

const watching = new AsyncLocalStorage<ListenWatch>();

/**
 * Tells of the servers of node:http2 that begin to listen in what `run()` calls and in what follows from that, until
 * `end()`. Others that begin to listen meanwhile are not told of, and between binds nothing is subscribed to.
 */
export class ListenWatch {
  readonly #onListening: (server: AnyHttp2Server) => void;
  readonly #onListen = (message: unknown): void => {
    const { server } = message as { readonly server: unknown };
    // one that does not get to listen, since its port is in use, is nobody's
    if (watching.getStore() === this && isHttp2Server(server))
      server.once("listening", () => this.#onListening(server));
  };

  /** @param onListening called before the server accepts a connection */
  constructor(onListening: (server: AnyHttp2Server) => void) {
    this.#onListening = onListening;
  }

  run<T>(call: () => T): T {
    subscribe(listenChannel, this.#onListen);
    try {
      return watching.run(this, call);
    } catch (error) {
      this.end();
      throw error;
    }
  }

  end(): void {
    unsubscribe(listenChannel, this.#onListen);
  }
}

/** Ends listening, and leaves the connections alone: its own `close()` ends sessions, with a single GOAWAY. */
export function stopListening(server: AnyHttp2Server): void {
  TcpServer.prototype.close.call(server);
}

/** node exports no class of its http2 servers; updateSettings is theirs alone among the servers of node. */
function isHttp2Server(server: unknown): server is AnyHttp2Server {
  return server instanceof TcpServer && "updateSettings" in server;
}
