import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Socket } from "node:net";
import { type ApiAccess, type ApiServer, kubeconfig } from "../src/index.ts";

/** The API server of the kubeconfig, over connections that can be cut. */
export class Line implements ApiServer, Disposable {
  static #count = 0;
  readonly key: string = `line ${Line.#count++}`;
  /** Whether new connections are refused. */
  isDown = false;
  readonly #server: ApiServer;
  readonly #http = new HttpAgent({ keepAlive: true });
  readonly #https = new HttpsAgent({ keepAlive: true });

  constructor(server: ApiServer = kubeconfig()) {
    this.#server = server;
  }

  async access(): Promise<ApiAccess> {
    const access = await this.#server.access();
    const agent = access.url.protocol === "https:" ? this.#https : this.#http;
    const url = this.isDown ? new URL(`${access.url.protocol}//127.0.0.1:1`) : access.url;
    return { ...access, url, options: { ...access.options, agent } };
  }

  /** Requests under way. */
  get busy(): number {
    return this.#sockets("sockets").length;
  }

  /** Connections, with and without a request. */
  get open(): number {
    return this.busy + this.#sockets("freeSockets").length;
  }

  /** Ends the connections in mid-stream. */
  cut(): void {
    for (const socket of [...this.#sockets("sockets"), ...this.#sockets("freeSockets")]) socket.destroy();
  }

  [Symbol.dispose](): void {
    this.cut();
  }

  #sockets(state: "sockets" | "freeSockets"): readonly Socket[] {
    const lists = [this.#http, this.#https].flatMap((agent) => Object.values(agent[state]));
    return lists.flatMap((sockets) => sockets ?? []);
  }
}
