import type { Server as HttpServer } from "node:http";
import type { Http2SecureServer, Http2Server } from "node:http2";
import type { ConnectRouter } from "@connectrpc/connect";
import type { Lifecycle } from "@evenkeel/server";

/** What a pod has to serve. */
export interface Content {
  readonly routes: (router: ConnectRouter) => void;
  /** `undefined`: the server's connections are its own. */
  readonly lifecycle: Lifecycle | undefined;
}

/** A server that does not listen yet, whatever library it is of. */
export interface PodServer {
  readonly server: HttpServer | Http2Server | Http2SecureServer;
  listen(host: string, port: number): Promise<void>;
}

/** What Connect's adapters take. */
export function connectOptions({ routes, lifecycle }: Content) {
  return { routes, interceptors: lifecycle === undefined ? [] : [lifecycle.interceptor] };
}
