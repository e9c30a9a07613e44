import type { Duplex } from "node:stream";
import { type Method, replaceMethod } from "./grpc-server.ts";

/** The open connections that the program hands to `createConnectionInjector()` of a grpc-js server. */
export class InjectedConnections {
  readonly #open = new Set<Duplex>();
  #onEnd: () => void = () => {};

  constructor(server: object) {
    if (!("createConnectionInjector" in server)) return;
    const create: Method = replaceMethod(server, "createConnectionInjector", (...args) => {
      const injector = create(...args) as object;
      const inject = replaceMethod(injector, "injectConnection", (connection) => {
        this.#add(connection as Duplex);
        return inject(connection);
      });
      return injector;
    });
  }

  /** Resolves when none is open: grpc-js's `tryShutdown()` does not wait for them on versions of node from 24. */
  async ended(): Promise<void> {
    if (this.#open.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEnd = resolve;
    });
  }

  #add(connection: Duplex): void {
    this.#open.add(connection);
    connection.once("close", () => {
      this.#open.delete(connection);
      if (this.#open.size === 0) this.#onEnd();
    });
  }
}
