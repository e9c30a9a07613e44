import type { FastifyInstance, FastifyPluginAsync } from "fastify";
import type { ManageableServer } from "./intake/intake.ts";
import { wrapEmit } from "./intake/wrap-emit.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { LifecycleOptions } from "./options.ts";
import { type ProbeOptions, probeHeaders, resolveProbes } from "./probes.ts";
import { createLifecycle } from "./server-lifecycle.ts";

declare module "fastify" {
  interface FastifyInstance {
    /** The lifecycle of the server's connections, by `lifecyclePlugin`. */
    readonly lifecycle: Lifecycle;
  }
}

export interface LifecyclePluginOptions {
  /**
   * A lifecycle, or the options of `createLifecycle()` to make one. Default: one is made with its defaults, but that
   * `maxConnectionIdleMs` of an HTTP/2 server is Fastify's `http2SessionTimeout`.
   */
  readonly lifecycle?: Lifecycle | LifecycleOptions;
  /** Adds routes for probes, as of `probeHandler()`; they are not logged. Default: false. */
  readonly probes?: boolean | ProbeOptions;
}

/**
 * Fastify plugin that puts the server's connections into the care of a lifecycle, `fastify.lifecycle`.
 *
 * `fastify.close()` and `lifecycle.shutdown()` become the same: readiness off, further service for `readinessDelayMs`,
 * end of listening, connections retired, requests in flight finish, then Fastify's own close with the hooks `preClose`
 * and `onClose`, then the other hooks of `onShutdown()` that were added after the plugin. Only then does Fastify know
 * that it closes: no request meets its 503 for that.
 *
 * A Fastify that never listened, as in tests with `inject()`, closes at once; a lifecycle that was given to the plugin
 * goes on then.
 */
export const lifecyclePlugin: FastifyPluginAsync<LifecyclePluginOptions> = Object.assign(
  async (fastify: FastifyInstance, options: LifecyclePluginOptions): Promise<void> => {
    const { lifecycle, isOwn } = resolveLifecycle(fastify, options.lifecycle);
    manage(lifecycle, fastify.server);
    fastify.decorate("lifecycle", lifecycle);
    if (options.probes !== undefined && options.probes !== false) {
      addProbes(fastify, lifecycle, options.probes === true ? {} : options.probes);
    }
    const { isDrained } = closeInOrder(fastify, lifecycle, isOwn);
    fastify.addHook("onListen", async () => manageSecondaryServers(fastify, lifecycle, isDrained));
  },
  {
    // what fastify-plugin sets: the plugin acts on the instance that registers it, not on one of its own below that
    [Symbol.for("skip-override")]: true,
    [Symbol.for("fastify.display-name")]: "@evenkeel/server",
    [Symbol.for("plugin-meta")]: { name: "@evenkeel/server", fastify: "5.x" },
  },
);

function resolveLifecycle(
  fastify: FastifyInstance,
  given: Lifecycle | LifecycleOptions = {},
): { readonly lifecycle: Lifecycle; readonly isOwn: boolean } {
  if ("manage" in given) return { lifecycle: given, isOwn: false };
  const { http2, http2SessionTimeout = 0 } = fastify.initialConfig;
  const idle = http2 === true && http2SessionTimeout > 0 ? { maxConnectionIdleMs: http2SessionTimeout } : {};
  return { lifecycle: createLifecycle({ ...idle, ...given }), isOwn: true };
}

function manage(lifecycle: Lifecycle, server: ManageableServer): void {
  lifecycle.manage(server);
  // Fastify closes a session after http2SessionTimeout without a frame, also with streams open, and with one GOAWAY
  server.on("session", (session: { setTimeout(ms: number): void }) => session.setTimeout(0));
}

function addProbes(fastify: FastifyInstance, lifecycle: Lifecycle, options: ProbeOptions): void {
  for (const [url, probe] of resolveProbes(lifecycle, options)) {
    fastify.route({
      method: "GET",
      url,
      exposeHeadRoute: true,
      logLevel: "silent",
      handler: (_, reply) => {
        const { status, body } = probe();
        return reply.code(status).headers(probeHeaders).send(body);
      },
    });
  }
}

/** Puts Fastify's close into the lifecycle's shutdown, and the shutdown in place of Fastify's close. */
function closeInOrder(
  fastify: FastifyInstance,
  lifecycle: Lifecycle,
  isOwn: boolean,
): { readonly isDrained: () => boolean } {
  const root = rootOf(fastify);
  const close = root.close.bind(root);
  let hasListened = root.server.listening;
  root.server.once("listening", () => {
    hasListened = true;
  });
  let drained = false;
  let onDrained = (): void => {};
  let closing: Promise<undefined> | undefined;
  lifecycle.onShutdown(() => {
    drained = true;
    onDrained();
    closing ??= close();
    return closing;
  });

  const shutDown = async (): Promise<void> => {
    if (hasListened) await lifecycle.shutdown();
    // there is nobody to learn of it
    else if (isOwn) await lifecycle.shutdown({ force: true });
  };
  const replacement = async (): Promise<undefined> => {
    const failure = await shutDown().then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    closing ??= close();
    await closing;
    if (failure !== undefined) throw failure.error;
  };
  root.close = ((listener?: (error: unknown) => void) => {
    const done = replacement();
    if (listener === undefined) return done;
    done.then(
      () => process.nextTick(listener, null),
      (error: unknown) => process.nextTick(listener, error),
    );
    return root;
  }) as FastifyInstance["close"];

  // a close that got past the above, since it was called before the plugin was loaded: Fastify limits how long this may
  // take by its pluginTimeout, and answers with 503 meanwhile
  fastify.addHook("preClose", async () => {
    if (closing !== undefined) return;
    const drain = new Promise<void>((resolve) => {
      onDrained = resolve;
    });
    shutDown().catch((error: unknown) => fastify.log.error(error));
    if (hasListened || isOwn) await drain;
  });
  return { isDrained: () => drained };
}

/** The instance that all others of one server derive from. */
function rootOf(fastify: FastifyInstance): FastifyInstance {
  let root = fastify;
  while (!Object.hasOwn(root, "close")) root = Object.getPrototypeOf(root) as FastifyInstance;
  return root;
}

/**
 * `listen()` on localhost, which is the default, makes a server for each further address of that name. Fastify closes
 * those when the first one emits "close", which is as soon as that one has no connections.
 */
function manageSecondaryServers(fastify: FastifyInstance, lifecycle: Lifecycle, isDrained: () => boolean): void {
  const servers = secondaryServersOf(rootOf(fastify));
  if (fastify.addresses().length > 1 + servers.length) {
    process.emitWarning(
      "Fastify listens on several addresses, and only the connections of the first are managed: listen on one, such as host: '::' or '0.0.0.0'",
      { type: "EvenkeelWarning", code: "EVENKEEL_UNMANAGED_SERVER" },
    );
  }
  if (servers.length === 0 || lifecycle.phase !== "serving") return;
  for (const server of servers) manage(lifecycle, server);
  wrapEmit(fastify.server, { close: (emit) => !isDrained() || emit() });
}

/** Fastify shows their addresses only, and keeps the servers to itself. */
function secondaryServersOf(root: FastifyInstance): readonly ManageableServer[] {
  const key = Object.getOwnPropertySymbols(root).find(({ description }) => description === "fastify.serverBindings");
  const servers: unknown = key === undefined ? undefined : Reflect.get(root, key);
  return Array.isArray(servers) ? servers : [];
}
