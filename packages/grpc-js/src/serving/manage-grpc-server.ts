import { createLifecycle, type Lifecycle, type LifecycleOptions } from "@evenkeel/server";
import { Binds } from "./binds.ts";
import { type ManageableGrpcServer, methodsOf, replaceMethod } from "./grpc-server.ts";
import { type GrpcServerLifecycle, LifecycleView, refuseStreamAge } from "./grpc-server-lifecycle.ts";
import { checkHealthOptions, endHealthWatches, type HealthOptions, tieHealth } from "./health.ts";
import { answerPingsOfClosed } from "./keepalive-pings.ts";
import { DrainTime, replaceShutdown } from "./own-end.ts";
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
 * nothing public shows the connections of a port that is bound already, nor those of `createConnectionInjector()`. They
 * end as without a lifecycle: at the end of the shutdown the server's own `tryShutdown()` or `shutdown()` runs, for what
 * is left of `drainTimeoutMs`. A shutdown that finds open ports or connections though no bind was seen tells so by a
 * process warning, EVENKEEL_UNMANAGED. (NestJS's `close()` ends them as its option `gracefulShutdown` says.)
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
 * still end connections with both GOAWAYs at once: leave them unset, and uncalled. Its keepalive
 * (`grpc.keepalive_time_ms`) works, but looks after a connection no longer once that is retired.
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
      answerPingsOfClosed(http2Server);
      endHealthWatches(http2Server, lifecycle.draining);
    },
  });
  const bind = replaceMethod(server, methods.bind, (...args) => binds.run(bind, args, methods.answersBy));
  const drainTime = new DrainTime(lifecycle, options);
  replaceShutdown({ server, methods, lifecycle, drainTime, hasListened: () => binds.hasListened });
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
