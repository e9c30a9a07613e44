import { promisify } from "node:util";
import { type Clock, systemClock, type Timer } from "@evenkeel/core";
import type { ChangeableOptions, Lifecycle, LifecycleOptions, ShutdownOptions } from "@evenkeel/server";
import { type ManageableGrpcServer, type Method, replaceMethod, type ServerMethods } from "./grpc-server.ts";
import { InjectedConnections } from "./injected-connections.ts";

/** As of `@evenkeel/server`. */
const defaultDrainTimeoutMs = 20_000;

/** What is left of a shutdown's `drainTimeoutMs`. It sees each call of the lifecycle's `update()` and `shutdown()`. */
export class DrainTime {
  readonly clock: Clock;
  /** Skips the waits for the lifecycle's own connections; the shutdown does not count as forced. */
  readonly shutdownWithoutWaits: () => Promise<void>;
  #timeoutMs: number;
  #endsAt = Number.POSITIVE_INFINITY;
  #forced = false;

  constructor(lifecycle: Lifecycle, { clock = systemClock, drainTimeoutMs = defaultDrainTimeoutMs }: LifecycleOptions) {
    this.clock = clock;
    this.#timeoutMs = drainTimeoutMs;
    const update = replaceMethod(lifecycle, "update", (options) => {
      update(options);
      this.#timeoutMs = (options as ChangeableOptions).drainTimeoutMs ?? this.#timeoutMs;
    });
    const shutdown = replaceMethod(lifecycle, "shutdown", (options) => {
      if ((options as ShutdownOptions | undefined)?.force === true) this.#forced = true;
      return shutdown(options);
    });
    this.shutdownWithoutWaits = () => shutdown({ force: true }) as Promise<void>;
    lifecycle.onPhase((phase) => {
      if (phase === "draining") this.#endsAt = clock.now() + this.#timeoutMs;
    });
  }

  /** In milliseconds, or Infinity. 0 when the shutdown is forced. */
  get leftMs(): number {
    return this.#forced ? 0 : Math.max(0, this.#endsAt - this.clock.now());
  }
}

interface Managed {
  readonly server: ManageableGrpcServer;
  readonly methods: ServerMethods;
  readonly lifecycle: Lifecycle;
  readonly drainTime: DrainTime;
  /** Whether the lifecycle has seen a port, ever. */
  hasListened(): boolean;
}

/** Puts the server's own end into the lifecycle's shutdown, and the shutdown in the place of the server's. */
export function replaceShutdown(managed: Managed): void {
  const { server, methods, lifecycle, drainTime, hasListened } = managed;
  let ended = false;
  // where no port was seen nobody is to learn of it
  const shutDown = (): Promise<void> => (hasListened() ? lifecycle.shutdown() : drainTime.shutdownWithoutWaits());
  const shutdown: Method = replaceMethod(server, methods.shutdown, (...args) => {
    // also for hooks of the shutdown, which waits for them
    if (ended) return shutdown(...args);
    const [callback] = args;
    if (typeof callback !== "function") return shutDown();
    shutDown().then(() => callback(), callback as Method);
    return undefined;
  });
  if (methods.end === methods.shutdown) {
    lifecycle.onShutdown(async () => {
      ended = true;
      await shutdown();
    });
    return;
  }
  const end: Method = replaceMethod(server, methods.end, () => {
    lifecycle.shutdown({ force: true }).catch(() => {}); // told to those who call shutdown()
    ended = true;
    return end();
  });
  const injected = new InjectedConnections(server);
  const ownShutdown = async (): Promise<void> => {
    if (methods.shutdown === "tryShutdown") await promisify(shutdown)();
    else await shutdown();
    await injected.ended();
  };
  lifecycle.onShutdown(async () => {
    if (ended) return;
    ended = true;
    let isOver = false;
    try {
      isOver = await endsInTime(ownShutdown, managed);
    } finally {
      if (!isOver) end();
    }
  });
}

/** Lets the connections that the lifecycle has not seen finish. @returns false when it is not over in time */
function endsInTime(ownShutdown: () => Promise<unknown>, managed: Managed): Promise<boolean> {
  const { lifecycle, drainTime, hasListened } = managed;
  const { leftMs, clock } = drainTime;
  if (leftMs === 0) return Promise.resolve(false);
  return new Promise((resolve, reject) => {
    let settled = false;
    const settle = (isOver: boolean): void => {
      settled = true;
      timer?.cancel();
      forget();
      resolve(isOver);
    };
    const timer: Timer | undefined =
      leftMs === Number.POSITIVE_INFINITY ? undefined : clock.setTimeout(() => settle(false), leftMs, { ref: true });
    const forget = lifecycle.onPhase(() => settle(false)); // "closed" before this hook has ended: it is forced
    // of a server without ports and connections it has ended by then
    process.nextTick(() => {
      if (!settled && !hasListened()) warnOfUnmanaged();
    });
    ownShutdown().then(
      () => settle(true),
      (error: unknown) => {
        reject(error);
        settle(false);
      },
    );
  });
}

function warnOfUnmanaged(): void {
  process.emitWarning(
    "a gRPC server that is shut down has ports or connections that its lifecycle has not seen: manageGrpcServer() came after bindAsync() or listen(), or connections came through createConnectionInjector(). They are ended as without a lifecycle, which can lose RPCs: call manageGrpcServer() before the server binds.",
    { type: "EvenkeelWarning", code: "EVENKEEL_UNMANAGED" },
  );
}
