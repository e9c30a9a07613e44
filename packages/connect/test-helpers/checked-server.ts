import { once } from "node:events";
import { createServer as createHttp1Server, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { createHealthRegistry, type HealthRegistry, healthService } from "@evenkeel/health";
import { createLifecycle, type Lifecycle } from "../../server/src/index.ts";
import { demoRoutes } from "./demo-server.ts";

/** What a test needs of them, whichever the version. */
interface Request {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
}
interface Response {
  setHeader(name: string, value: string): unknown;
  writeHead(status: number): unknown;
  write(chunk: Uint8Array): unknown;
  end(text?: string): unknown;
}

export interface CheckedServerOptions {
  /** Serves the health service. Default true. */
  readonly hasHealth?: boolean;
  readonly httpVersion?: "1.1" | "2";
  /** Returns whether it takes care of a request. */
  readonly handle?: (request: Request, response: Response) => boolean;
}

/** A connect-node server of the demo service whose health the test sets. */
export interface CheckedServer extends AsyncDisposable {
  readonly pod: string;
  readonly address: string;
  readonly registry: HealthRegistry;
  /** Of HTTP/2 alone. */
  readonly lifecycle: Lifecycle;
  /** RPCs of the demo service that came in. */
  readonly requests: readonly Headers[];
  readonly sockets: ReadonlySet<Socket>;
}

export async function startCheckedServer(pod: string, options: CheckedServerOptions = {}): Promise<CheckedServer> {
  const { hasHealth = true, httpVersion = "2", handle } = options;
  const lifecycle = createLifecycle({ readinessDelayMs: 50, drainTimeoutMs: Number.POSITIVE_INFINITY, podName: pod });
  const registry = createHealthRegistry({ lifecycle });
  const requests: Headers[] = [];
  const routes = (router: ConnectRouter): void => {
    demoRoutes(router, pod, requests);
    if (hasHealth) healthService(registry)(router);
  };
  const serve = connectNodeAdapter({ routes, interceptors: [lifecycle.interceptor] });
  const listener = (
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
  ): void => {
    const { method, url } = request;
    if (handle?.({ method, url }, response as Response) === true) return;
    serve(request as Http2ServerRequest, response as Http2ServerResponse);
  };
  const server = httpVersion === "2" ? createServer(listener) : createHttp1Server(listener);
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  if (httpVersion === "2") lifecycle.manage(server as ReturnType<typeof createServer>);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    pod,
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    registry,
    lifecycle,
    requests,
    sockets,
    async [Symbol.asyncDispose]() {
      await lifecycle.shutdown({ force: true });
      for (const socket of sockets) socket.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, "close");
    },
  };
}
