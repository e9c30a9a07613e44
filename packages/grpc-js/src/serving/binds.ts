import type { Method, ServerMethods } from "./grpc-server.ts";
import { type AnyHttp2Server, ListenWatch, stopListening } from "./listen-watch.ts";

/** What takes care of the servers of node:http2 behind a gRPC server. */
export interface ServerTaker {
  /** Why there can be no more. */
  refusal(): Error | undefined;
  /** Called when the server listens, before it accepts a connection. @throws when it cannot be taken care of */
  take(server: AnyHttp2Server): void;
}

/** The binds of a gRPC server: each hands the servers of node:http2 that it brings to the taker, or fails. */
export class Binds {
  readonly #taker: ServerTaker;
  /** Those that listen. */
  readonly #servers = new Set<AnyHttp2Server>();
  #hasListened = false;

  constructor(taker: ServerTaker) {
    this.#taker = taker;
  }

  /** Whether a server has listened, ever. */
  get hasListened(): boolean {
    return this.#hasListened;
  }

  /**
   * Calls `bind`. One that answers by callback gets it as its last argument, and may return a promise as well.
   */
  run(bind: Method, args: readonly unknown[], answersBy: ServerMethods["answersBy"]): unknown {
    const refusal = this.#taker.refusal();
    if (answersBy === "promise")
      return refusal === undefined ? this.#runForPromise(bind, args) : Promise.reject(refusal);
    const callback = args.at(-1);
    if (typeof callback !== "function") return bind(...args); // it says what is wrong
    if (refusal === undefined) return this.#runWithCallback(bind, args.slice(0, -1), callback as Method);
    process.nextTick(callback, refusal, 0);
    return undefined;
  }

  #runWithCallback(bind: Method, args: readonly unknown[], callback: Method): unknown {
    const attempt = this.#begin();
    return attempt.watch.run(() =>
      bind(...args, (error?: unknown, ...results: unknown[]) => {
        attempt.watch.end();
        const failure = error ?? attempt.end(results[0]);
        if (failure === undefined || failure === null) callback(error, ...results);
        else callback(failure, 0);
      }),
    );
  }

  async #runForPromise(bind: Method, args: readonly unknown[]): Promise<unknown> {
    const attempt = this.#begin();
    try {
      const port = await attempt.watch.run(() => bind(...args));
      const failure = attempt.end(port);
      if (failure !== undefined) throw failure;
      return port;
    } finally {
      attempt.watch.end();
    }
  }

  /** @returns a watch, and what tells, of a bind that is said to have succeeded, why it has not */
  #begin(): { readonly watch: ListenWatch; end(port: unknown): unknown } {
    let taken = 0;
    let failure: unknown;
    const watch = new ListenWatch((server) => {
      try {
        this.#taker.take(server);
        taken++;
        this.#keep(server);
      } catch (error) {
        failure ??= error;
        queueMicrotask(() => stopListening(server)); // the server's other listeners ask where it listens
      }
    });
    const end = (port: unknown): unknown => {
      if (failure === undefined && (taken > 0 || this.#listensOn(port))) return undefined;
      const unseen =
        "the server says that it is bound, but no server of node:http2 has begun to listen within the call: @evenkeel/grpc-js does not know how this server listens, and cannot manage its connections";
      return this.#taker.refusal() ?? failure ?? new Error(unseen);
    };
    return { watch, end };
  }

  #keep(server: AnyHttp2Server): void {
    this.#hasListened = true;
    this.#servers.add(server);
    server.once("close", () => this.#servers.delete(server));
  }

  /** grpc-js binds an address that is bound already by saying so. A path has no port of its own. */
  #listensOn(port: unknown): boolean {
    if (typeof port !== "number") return false; // of NestJS, which binds once
    return [...this.#servers].some((server) => {
      const address = server.address();
      return typeof address === "string" || address?.port === port;
    });
  }
}
