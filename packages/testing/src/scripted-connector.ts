import type { Connection, ConnectionListener, Connector, Endpoint } from "@evenkeel/core";
import { ScriptedConnection } from "./scripted-connection.ts";
import type { ScriptedStream } from "./scripted-stream.ts";

/** What happens by itself, in a microtask after the call; both default to nothing: the test drives. */
export interface ScriptedConnectorOptions {
  /** After each dial, unless it has ended: `(connection) => connection.becomeReady()`. */
  readonly onDial?: (connection: ScriptedConnection) => void;
  /** After each stream that a connection took, unless it has ended. */
  readonly onStream?: (stream: ScriptedStream) => void;
}

/** A connector without sockets: records every dial, and leaves to the test what becomes of it. */
export class ScriptedConnector implements Connector {
  readonly #options: ScriptedConnectorOptions;
  readonly #connections: ScriptedConnection[] = [];

  constructor(options: ScriptedConnectorOptions = {}) {
    this.#options = options;
  }

  connect(endpoint: Endpoint, listener: ConnectionListener): Connection {
    const { onDial, onStream } = this.#options;
    const connection = new ScriptedConnection(this.#connections.length + 1, endpoint, listener, onStream);
    this.#connections.push(connection);
    if (onDial !== undefined) {
      queueMicrotask(() => {
        if (connection.state !== "closed") onDial(connection);
      });
    }
    return connection;
  }

  /** The keys of the endpoints that were dialled, in order. */
  get dials(): readonly string[] {
    return this.#connections.map((connection) => connection.endpoint.key);
  }

  /** Every connection that was dialled, also those that have ended, in order. */
  get connections(): readonly ScriptedConnection[] {
    return this.#connections;
  }

  /** Those of `connections` that have not ended. */
  get open(): readonly ScriptedConnection[] {
    return this.#connections.filter((connection) => connection.state !== "closed");
  }

  /** The latest connection to the endpoint `key`. Throws an `Error` when it was never dialled. */
  latest(key: string): ScriptedConnection {
    const connection = this.#connections.findLast((candidate) => candidate.endpoint.key === key);
    if (connection === undefined) {
      throw new Error(`endpoint "${key}" was never dialled; dialled were: ${this.dials.join(", ") || "none"}`);
    }
    return connection;
  }
}
