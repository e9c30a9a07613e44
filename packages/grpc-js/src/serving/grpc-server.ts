/** A `Server` of grpc-js. */
export interface GrpcJsServer {
  bindAsync(address: string, credentials: never, callback: (error: Error | null, port: number) => void): void;
  tryShutdown(callback: (error?: Error) => void): void;
  forceShutdown(): void;
}

/** A server of nice-grpc: the one whose `listen()` is called, since `use()` makes a new one. */
export interface NiceGrpcServer {
  listen(address: string, credentials?: never): Promise<number>;
  shutdown(): Promise<void>;
  forceShutdown(): void;
}

/** A `ServerGrpc` of NestJS, which a microservice takes as its `strategy`. */
export interface NestGrpcServer {
  listen(callback: (...results: unknown[]) => void): unknown;
  close(): unknown;
  addHandler(pattern: never, callback: never): unknown;
}

/** A server that `manageGrpcServer()` can manage. */
export type ManageableGrpcServer = GrpcJsServer | NiceGrpcServer | NestGrpcServer;

/** The names of a server's methods. */
export interface ServerMethods {
  readonly bind: "bindAsync" | "listen";
  /** How `bind` tells an error or a port: by a callback behind its other arguments, or by the promise it returns. */
  readonly answersBy: "callback" | "promise";
  /** Takes a callback, which gets an error, or returns a promise. */
  readonly shutdown: "tryShutdown" | "shutdown" | "close";
  /** Releases what the server holds, and ends its connections at once, or may do so. */
  readonly end: "forceShutdown" | "close";
}

const kinds: readonly { readonly methods: ServerMethods; readonly alsoHas: readonly string[] }[] = [
  { methods: { bind: "bindAsync", answersBy: "callback", shutdown: "tryShutdown", end: "forceShutdown" }, alsoHas: [] },
  { methods: { bind: "listen", answersBy: "promise", shutdown: "shutdown", end: "forceShutdown" }, alsoHas: [] },
  { methods: { bind: "listen", answersBy: "callback", shutdown: "close", end: "close" }, alsoHas: ["addHandler"] },
];

/** @throws TypeError when it is no `ManageableGrpcServer`. */
export function methodsOf(server: unknown): ServerMethods {
  const has = (name: string): boolean => typeof (server as Record<string, unknown>)[name] === "function";
  if (typeof server === "object" && server !== null) {
    const kind = kinds.find(({ methods: { bind, shutdown, end }, alsoHas }) =>
      [bind, shutdown, end, ...alsoHas].every(has),
    );
    if (kind !== undefined) return kind.methods;
  }
  const name = typeof server === "object" && server !== null ? server.constructor?.name : typeof server;
  throw new TypeError(
    `cannot manage ${name}: give manageGrpcServer() a Server of @grpc/grpc-js, a server of nice-grpc, or a ServerGrpc of NestJS; manageConnections() of @evenkeel/server is for the servers of node:http2`,
  );
}

export type Method = (...args: unknown[]) => unknown;

/** Puts a method in the place of another, on this one object. @returns the other, bound to the object */
export function replaceMethod(object: object, name: string, method: Method): Method {
  const original = Reflect.get(object, name) as Method;
  Object.defineProperty(object, name, { configurable: true, writable: true, value: method });
  return (...args) => original.apply(object, args);
}
