import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { systemRandom } from "@evenkeel/core";
import type { Timers } from "../timers.ts";
import type { ServerCertificate } from "./certificate.ts";
import type { Credentials } from "./credentials.ts";
import type { Entrance } from "./entrance.ts";
import type { ApiFault, Faults } from "./faults.ts";
import { listText } from "./list.ts";
import { parseListQuery } from "./list-query.ts";
import { type ObjectStore, objectText } from "./object-store.ts";
import type { ApiServerSettings } from "./options.ts";
import type { OpenRequest, RequestLog } from "./request-log.ts";
import { Responder } from "./responder.ts";
import type { Revisions } from "./revisions.ts";
import { booleanOf, parsePath, type Route, verbOf } from "./route.ts";
import type { RunningWatches } from "./running-watches.ts";
import {
  expired,
  forbidden,
  forbiddenPath,
  methodNotAllowed,
  noSuchResource,
  notFound,
  type Status,
  StatusFailure,
  statusOf,
  unauthorized,
  unknownFailure,
} from "./status.ts";

/** What a handler works with. */
export interface HandlerSetup {
  readonly stores: readonly ObjectStore[];
  readonly revisions: Revisions;
  readonly timers: Timers;
  readonly credentials: Credentials;
  readonly entrance: Entrance;
  readonly faults: Faults;
  readonly watches: RunningWatches;
  readonly log: RequestLog;
  readonly settings: ApiServerSettings;
  /** Milliseconds that an answer takes. */
  readonly delayMs: () => number;
  /** Called whenever a request has come, or its answer is over. */
  readonly onChange: () => void;
}

/** An HTTP request on its way. */
interface Exchange {
  readonly response: ServerResponse;
  readonly route: Route;
  readonly params: URLSearchParams;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly logged: OpenRequest;
}

type ResourceRoute = Extract<Route, { kind: "resource" }>;

/** A watch that does not say how long it wants to last gets 30 to 60 minutes. */
const watchMs = 30 * 60_000;

/** An HTTP server that never listens: connections are handed to it. */
export function createHttpServer(certificate: ServerCertificate | undefined): Server {
  const options = { keepAliveTimeout: 90_000 };
  if (certificate === undefined) return createServer(options);
  const { key, cert } = certificate;
  return createSecureServer({ ...options, key, cert, ALPNProtocols: ["http/1.1"] });
}

/** From requests to answers, through filters in the order of the real server's. */
export class RequestHandler {
  readonly #setup: HandlerSetup;
  readonly #responder = new Responder();

  constructor(setup: HandlerSetup) {
    this.#setup = setup;
  }

  /** Answers a request, or holds it while nobody gets an answer. Never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { entrance, onChange } = this.#setup;
    const exchange = this.#open(request, response);
    response.on("close", onChange);
    if (!(await this.#delayed(response)) || entrance.mute) return;
    this.#responder.prepare(response);
    try {
      await this.#filter(exchange);
    } catch (error) {
      this.#fail(exchange, error instanceof StatusFailure ? error.status : unknownFailure(String(error)));
    }
  }

  #open(request: IncomingMessage, response: ServerResponse): Exchange {
    const { url: path = "", method = "", headers } = request;
    const [pathname = "", query = ""] = path.split(/\?(.*)/s);
    const route = parsePath(pathname);
    const params = new URLSearchParams(query);
    const resource = route.kind === "resource" ? route : undefined;
    const logged: OpenRequest = {
      method,
      path,
      verb: resource && verbOf(method, resource.name, booleanOf(params, "watch") ?? false),
      resource: resource?.resource.resource,
      namespace: resource?.namespace,
      resourceVersion: params.get("resourceVersion") ?? undefined,
      limit: params.get("limit") ?? undefined,
      continue: params.get("continue") ?? undefined,
      at: performance.now(),
      status: undefined,
    };
    this.#setup.log.add(logged);
    this.#setup.onChange();
    return { response, route, params, path: pathname, authorization: headers.authorization, logged };
  }

  /** Whether there still is somebody to answer after the delay. */
  #delayed(response: ServerResponse): Promise<boolean> {
    const ms = this.#setup.delayMs();
    if (ms === 0) return Promise.resolve(true);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const forget = this.#setup.timers.after(ms, () => resolve(true));
    response.on("close", () => {
      forget();
      resolve(false);
    });
    return promise;
  }

  async #filter(exchange: Exchange): Promise<void> {
    const { faults, credentials } = this.#setup;
    const { response, route, logged } = exchange;
    const fault = faults.take(logged);
    if (fault !== undefined) {
      this.#inject(exchange, fault);
      return;
    }
    const authentication = credentials.check(exchange.authorization);
    if (authentication === "invalid") throw new StatusFailure(unauthorized());
    this.#responder.classify(response);
    const user = authentication === "anonymous" ? "system:anonymous" : credentials.user;
    if (route.kind !== "resource") {
      if (authentication === "anonymous") throw new StatusFailure(forbiddenPath(user, exchange.path));
      if (route.kind === "unknownResource") throw new StatusFailure(noSuchResource());
      logged.status = 404;
      this.#responder.text(response, 404, "404 page not found");
      return;
    }
    const { resource: kind, namespace, name } = route;
    const { verb } = logged;
    if (verb === undefined) throw new StatusFailure(methodNotAllowed());
    const reads = verb === "get" || verb === "list" || verb === "watch";
    if (authentication === "anonymous" || !reads || faults.denies(logged)) {
      throw new StatusFailure(forbidden({ user, verb, kind, namespace, name }));
    }
    await this.#serve(exchange, route);
  }

  async #serve({ response, params, logged }: Exchange, { resource, namespace, name }: ResourceRoute): Promise<void> {
    const { stores, revisions } = this.#setup;
    const store = stores.find(({ kind }) => kind === resource) as ObjectStore;
    if (name !== undefined) {
      const version = store.get(namespace ?? "", name);
      if (version === undefined) throw new StatusFailure(notFound(resource, name));
      this.#succeed(response, logged, `${objectText(resource, version)}\n`);
      return;
    }
    const query = parseListQuery(params);
    if (!query.watch) {
      this.#succeed(response, logged, await listText(store, revisions, namespace, query));
      return;
    }
    const { timers, watches, settings } = this.#setup;
    const { bookmarkMs, quiet } = settings;
    const timeoutMs = query.timeoutSeconds === 0 ? watchMs * (1 + systemRandom()) : query.timeoutSeconds * 1_000;
    logged.status = 200;
    await watches.run({ response, store, revisions, timers, namespace, query, bookmarkMs, quiet, timeoutMs });
  }

  #inject(exchange: Exchange, { status, message, retryAfterSeconds }: ApiFault): void {
    const { response, logged } = exchange;
    if (status === "silence") return;
    if (status === "reset") {
      this.#setup.entrance.reset(response.req.socket);
      return;
    }
    if (status === 410 && logged.verb === "watch") {
      const text = message ?? `too old resource version: ${logged.resourceVersion} (${this.#setup.revisions.current})`;
      this.#succeed(response, logged, `{"type":"ERROR","object":${JSON.stringify(expired(text))}}\n`);
      return;
    }
    if (status === 429 && message === undefined) {
      logged.status = status;
      response.setHeader("retry-after", retryAfterSeconds ?? 1);
      this.#responder.text(response, status, "Too many requests, please try again later.");
      return;
    }
    this.#fail(exchange, statusOf(status, message, retryAfterSeconds ?? (status === 429 ? 1 : undefined)));
  }

  #succeed(response: ServerResponse, logged: OpenRequest, body: string): void {
    logged.status = 200;
    this.#responder.json(response, 200, body);
  }

  #fail({ response, logged }: Exchange, status: Status): void {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    logged.status = status.code;
    this.#responder.status(response, status);
  }
}
