import { createLifecycle, type Lifecycle, type LifecycleOptions } from "@evenkeel/server";
import { Binds } from "./binds.ts";
import { type ManageableGrpcServer, type Method, methodsOf, replaceMethod } from "./grpc-server.ts";
import { type GrpcServerLifecycle, LifecycleView, refuseStreamAge } from "./grpc-server-lifecycle.ts";
import { checkHealthOptions, endHealthWatches, type HealthOptions, tieHealth } from "./health.ts";
import { showTlsSockets } from "./tls-session.ts";

/** Options of `manageGrpcServer()`: those of `createLifecycle()` of `@evenkeel/server`, and `health`. */
export interface ManageGrpcServerOptions extends Omit<LifecycleOptions, "maxStreamAgeMs"> {
  /** The health service, which tells NOT_SERVING from the beginning of a shutdown. Default: none. */
  readonly health?: HealthOptions;
}

const managed = new WeakSet<object>();

/**
 * Gives a gRPC server a lifecycle: its connections are retired in two phases (RFC 9113, section 6.8), at a maximum age
 * and in a shutdown, so that no RPC is lost, where grpc-js sends both GOAWAYs at once. Call it before the server binds:
 * nothing public shows the connections of a port that is bound already.
 *
 * From then on the server's own `tryShutdown()`, and nice-grpc's `shutdown()` and NestJS's `close()`, are
 * `lifecycle.shutdown()`, and `forceShutdown()` forces it. The shutdown ends the server itself when the connections are
 * gone, before it runs the hooks of `onShutdown()`. A port that is bound during or after a shutdown fails, as does one
 * that is bound in a way in which its connections cannot be seen.
 *
 * `draining` tells handlers of streams without an end of their own to end them; streams of the health service's Watch
 * are ended then.
 *
 * grpc-js's own `grpc.max_connection_age_ms` and `grpc.max_connection_idle_ms`, and its methods `unbind()` and `drain()`,
 * still end connections with both GOAWAYs at once: leave them unset, and uncalled.
 *
 * @throws TypeError for what is no such server, TypeError or RangeError that names the option and what it allows, Error
 * when the server is managed already.
 */
export function manageGrpcServer(
  server: ManageableGrpcServer,
  options: ManageGrpcServerOptions = {},
): GrpcServerLifecycle {
  const methods = methodsOf(server);
  const lifecycle = createFrom(options);
  if (managed.has(server)) throw new Error("this server is managed already: call manageGrpcServer() once for each");
  managed.add(server);
  if (options.health !== undefined) tieHealth(options.health, lifecycle);

  const binds = new Binds({
    refusal: () =>
      lifecycle.phase === "serving"
        ? undefined
        : new Error(`cannot bind a port: the server is shutting down, its phase is ${lifecycle.phase}`),
    take(http2Server) {
      lifecycle.manage(http2Server);
      showTlsSockets(http2Server);
      endHealthWatches(http2Server, lifecycle.draining);
    },
  });
  const bind = replaceMethod(server, methods.bind, (...args) => binds.run(bind, args));
  replaceShutdown(server, methods, lifecycle, () => binds.hasListened);
  return new LifecycleView(lifecycle);
}

function createFrom(options: ManageGrpcServerOptions): Lifecycle {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`manageGrpcServer: expected an object of options, got ${String(options)}`);
  }
  const { health, ...lifecycleOptions } = options;
  if (health !== undefined) checkHealthOptions(health);
  refuseStreamAge(lifecycleOptions);
  return createLifecycle(lifecycleOptions);
}

/** Puts the server's own end into the lifecycle's shutdown, and the shutdown in the place of the server's. */
function replaceShutdown(
  server: ManageableGrpcServer,
  methods: ReturnType<typeof methodsOf>,
  lifecycle: Lifecycle,
  hasListened: () => boolean,
): void {
  let ended = false;
  const shutDown = (): Promise<void> => lifecycle.shutdown({ force: !hasListened() }); // else nobody is to learn of it
  const shutdown: Method = replaceMethod(server, methods.shutdown, (...args) => {
    // also for hooks of the shutdown, which waits for them
    if (ended) return shutdown(...args);
    const [callback] = args;
    if (typeof callback !== "function") return shutDown();
    shutDown().then(() => callback(), callback as Method);
    return undefined;
  });
  const end: Method =
    methods.end === methods.shutdown
      ? shutdown
      : replaceMethod(server, methods.end, () => {
          void lifecycle.shutdown({ force: true });
          ended = true;
          return end();
        });
  lifecycle.onShutdown(async () => {
    if (ended) return;
    ended = true;
    await end();
  });
}
