import { ScriptedConnector } from "@evenkeel/testing";
import type { Connection, ConnectionListener } from "../src/connection/connection.ts";
import type { ConnectionHealth } from "../src/connection/health.ts";
import type { Endpoint } from "../src/endpoint/endpoint.ts";

/** A scripted connector whose connections have a health, which the test says. */
export class CheckedConnector extends ScriptedConnector {
  readonly #listeners = new Map<string, ConnectionListener>();

  override connect(endpoint: Endpoint, listener: ConnectionListener): Connection {
    this.#listeners.set(endpoint.key, listener);
    const health: ConnectionHealth = { state: "pending", reason: "nothing was said yet" };
    return Object.assign(super.connect(endpoint, listener), { health });
  }

  /** Of the latest connection to the endpoint `key`. */
  say(key: string, state: ConnectionHealth["state"], reason: string = state): void {
    Object.assign(this.latest(key), { health: { state, reason } });
    this.#listeners.get(key)?.health?.();
  }
}
