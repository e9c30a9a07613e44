import { setTimeout as sleep } from "node:timers/promises";
import { fastifyConnectPlugin } from "@connectrpc/connect-fastify";
import fastify, { type FastifyInstance } from "fastify";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import { type LifecyclePluginOptions, lifecyclePlugin } from "../src/fastify.ts";
import { cert, key } from "./certificate.ts";
import { connectRaw, type RawClient, until } from "./raw-client.ts";

export type Kind = "http" | "https" | "h2c" | "h2" | "h2 or https";

export interface AppOptions {
  readonly http2SessionTimeout?: number;
  readonly forceCloseConnections?: boolean;
  readonly pluginTimeout?: number;
}

/** A Fastify that serves nothing yet. */
export function createApp(kind: Kind, options: AppOptions = {}): FastifyInstance {
  const tls = { key, cert };
  const app =
    kind === "http"
      ? fastify(options)
      : kind === "https"
        ? fastify({ ...options, https: tls })
        : kind === "h2c"
          ? fastify({ ...options, http2: true })
          : fastify({ ...options, http2: true, https: { ...tls, allowHTTP1: kind === "h2 or https" } });
  return app as unknown as FastifyInstance;
}

/** One with the plugin, the RPCs of the demo, and routes: `/` answers at once, `/wait` when `answer` is called. */
export async function createManagedApp(
  kind: Kind,
  pluginOptions: LifecyclePluginOptions = {},
  options: AppOptions = {},
): Promise<{ app: FastifyInstance; answer: () => void; waiting: () => number }> {
  const app = createApp(kind, options);
  await app.register(lifecyclePlugin, pluginOptions);
  let answer = (): void => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  let waiting = 0;
  app.get("/", () => "done");
  app.post("/", () => "done");
  const wait = async (): Promise<string> => {
    waiting++;
    await answered;
    return "waited";
  };
  app.get("/wait", wait);
  app.post("/wait", wait);
  await app.register(fastifyConnectPlugin, {
    interceptors: [app.lifecycle.interceptor],
    routes: (router) =>
      router.service(DemoService, {
        async charge({ work, payload }) {
          if (work?.delayMs) await sleep(work.delayMs);
          return { pod: "pod-1", payload };
        },
        async *count({ work, to }) {
          for (let number = 1; number <= to; number++) {
            if (work?.delayMs) await sleep(work.delayMs);
            yield { pod: "pod-1", number };
          }
        },
      }),
  });
  return { app, answer, waiting: () => waiting };
}

/** What happens to an app and its lifecycle, in order. Call it before `listen()`. */
export function record(app: FastifyInstance): string[] {
  const log: string[] = [];
  app.lifecycle.onPhase((phase) => log.push(phase));
  app.addHook("preClose", async () => void log.push("preClose"));
  app.addHook("onClose", async () => {
    log.push(`onClose, connections ${app.lifecycle.snapshot().connections.length}`);
  });
  app.lifecycle.onShutdown(() => void log.push("later hook"));
  return log;
}

/** What `record()` has to show. */
export const inOrder: readonly string[] = [
  ...["notReady", "draining", "preClose", "onClose, connections 0", "later hook", "closed"],
];

/** A client of HTTP/2 that has got the server's SETTINGS. */
export async function connectRawTo(
  port: number,
  secure: boolean,
  atEnd: (end: () => Promise<void>) => void,
): Promise<RawClient> {
  const client = await connectRaw(port, secure);
  atEnd(() => client.end());
  client.begin();
  await until("SETTINGS", () => client.of("SETTINGS").length >= 2);
  return client;
}

/** Listens on a free port of 127.0.0.1, until the end of the test at the latest. */
export async function listenApp(app: FastifyInstance, atEnd: (end: () => Promise<void>) => void): Promise<number> {
  atEnd(async () => {
    const closed = app.close().catch(() => {}); // a test that cares looks itself
    void app.lifecycle.shutdown({ force: true }).catch(() => {});
    await closed;
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  const [address] = app.addresses();
  if (typeof address !== "object") throw new Error("no address");
  return address.port;
}
