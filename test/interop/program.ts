import { type Child, type Children, host } from "./children.ts";
import type { Stats } from "./stats.ts";

/** A server that the `peers` folder has the program of. */
export interface Program {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  /** Whether its gRPC errors before the first message are what gRPC calls Trailers-Only. */
  readonly sendsTrailersOnly: boolean;
}

/**
 * - `plain`: h2c.
 * - `tls`: HTTP/2 over TLS.
 * - `limited`: h2c with at most 2 streams on a connection.
 * - `retiring`: h2c; a connection gets its GOAWAY after 200 ms.
 */
export type ListenerName = "plain" | "tls" | "limited" | "retiring";

/** A program that listens. */
export class Server {
  readonly child: Child;
  readonly #ports: Readonly<Record<string, number>>;

  private constructor(child: Child, ports: Readonly<Record<string, number>>) {
    this.child = child;
    this.#ports = ports;
  }

  /** Listens on the given ports; 0 is a free one. */
  static async start(
    children: Children,
    program: Program,
    ports: Partial<Record<ListenerName, number>>,
  ): Promise<Server> {
    const listeners = Object.entries({ ...ports, control: 0 }).map(([name, port]) => `${name}=${port}`);
    const child = await children.start([...program.command, ...listeners], { env: program.env });
    return new Server(child, JSON.parse(await child.line()));
  }

  port(listener: ListenerName): number {
    return this.#portOf(listener);
  }

  /** What the listener saw since it was last reset. */
  stats(listener: ListenerName): Promise<Stats> {
    return this.#control(listener, "GET");
  }

  async reset(listener: ListenerName): Promise<void> {
    await this.#control(listener, "DELETE");
  }

  /** Lets it retire its connections, finish its RPCs and end; answers with what its listeners saw. */
  async retire(): Promise<Readonly<Record<string, Stats>>> {
    const final = this.child.line();
    await this.child.stop();
    return JSON.parse(await final);
  }

  async #control(listener: ListenerName, method: string): Promise<Stats> {
    const response = await fetch(`http://${host}:${this.#portOf("control")}/${listener}`, { method });
    return (await response.json()) as Stats;
  }

  #portOf(name: string): number {
    const port = this.#ports[name];
    if (port === undefined) throw new TypeError(`no listener ${name}`);
    return port;
  }
}
