import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { EndpointSlice } from "@evenkeel/kubernetes";
import { checkMs } from "../cluster/options.ts";
import { Timers } from "../timers.ts";
import { Awaited } from "./awaited.ts";
import { createCertificate } from "./certificate.ts";
import { Credentials, type ServiceAccount } from "./credentials.ts";
import { Entrance } from "./entrance.ts";
import { type ApiFault, type ApiRequestFilter, Faults } from "./faults.ts";
import { itemText, ObjectStore } from "./object-store.ts";
import { checkService, checkSlice, type ServiceObject } from "./objects.ts";
import { type ApiServerOptions, type ApiServerSettings, checkApiServerOptions } from "./options.ts";
import { createHttpServer, RequestHandler } from "./request-handler.ts";
import { type ApiRequest, RequestLog } from "./request-log.ts";
import { endpointSlices, services } from "./resource.ts";
import { Revisions } from "./revisions.ts";
import { type ApiWatchEnd, RunningWatches } from "./running-watches.ts";
import type { ApiWatch } from "./watch.ts";

/**
 * How a server is away.
 *
 * - `crash`: its port refuses connections, and those there were are closed in the middle of whatever they were at.
 * - `drain`: its port refuses connections, and running watches go on, as while a real one shuts down in good order.
 * - `blackhole`: connections are made and stay, and nothing comes back on any of them.
 */
export type ApiOutage = "crash" | "drain" | "blackhole";

/**
 * Starts a pretend API server without objects.
 *
 * Resolves when it listens. Rejects with a `TypeError` or `RangeError` that names the option, and with an `Error` when
 * it cannot listen.
 */
export async function startApiServer(options: ApiServerOptions = {}): Promise<PretendApiServer> {
  return startWith(options, (...made) => new PretendApiServer(...made));
}

/** Makes what an API server consists of, and has it put together. Rejects as `startApiServer`. */
export async function startWith<Made>(
  options: ApiServerOptions,
  create: (settings: ApiServerSettings, server: Server, entrance: Entrance, ca: string | undefined) => Made,
): Promise<Made> {
  const settings = checkApiServerOptions(options);
  const certificate = settings.tls ? await createCertificate(settings.host) : undefined;
  const server = createHttpServer(certificate);
  const accept = (socket: Socket): void => void server.emit("connection", socket);
  const entrance = await Entrance.open(settings.host, settings.port, accept);
  try {
    return create(settings, server, entrance, certificate?.ca);
  } catch (error) {
    await entrance.close();
    throw error;
  }
}

/**
 * A pretend API server: EndpointSlices (`discovery.k8s.io/v1`) and Services (`v1`) for those who get, list and watch
 * them, as kube-apiserver serves them. Objects are set by hand, or come from a pretend cluster. Made by
 * `startApiServer`.
 */
export class PretendApiServer {
  readonly host: string;
  readonly port: number;
  /** PEM; `undefined` without TLS. */
  readonly ca: string | undefined;
  /** For `inCluster()`: the files of a service account, and where the server is. Removed by `close`. */
  readonly serviceAccount: ServiceAccount;
  /** A file for `kubeconfig()` and kubectl. Removed by `close`. */
  readonly kubeconfigPath: string;
  readonly #entrance: Entrance;
  readonly #credentials: Credentials;
  readonly #timers = new Timers();
  readonly #revisions = new Revisions(this.#timers);
  readonly #slices: ObjectStore;
  readonly #services: ObjectStore;
  readonly #faults = new Faults();
  readonly #awaited = new Awaited();
  readonly #log = new RequestLog();
  readonly #watches: RunningWatches;
  #delayMs: number;
  #outage: ApiOutage | undefined;
  #closing: Promise<void> | undefined;

  /** Use `startApiServer`. */
  constructor(settings: ApiServerSettings, server: Server, entrance: Entrance, ca: string | undefined) {
    this.host = entrance.host;
    this.port = entrance.port;
    this.ca = ca;
    this.#entrance = entrance;
    this.#slices = new ObjectStore(endpointSlices, this.#revisions, settings.historyLimit);
    this.#services = new ObjectStore(services, this.#revisions, settings.historyLimit);
    this.#credentials = new Credentials(settings.namespace, this.url, ca);
    this.serviceAccount = { directory: this.#credentials.directory, host: this.host, port: this.port };
    this.kubeconfigPath = this.#credentials.kubeconfigPath;
    this.#delayMs = settings.delayMs;
    const onChange = (): void => this.#awaited.look();
    this.#watches = new RunningWatches(entrance, this.#timers, onChange);
    const handler = new RequestHandler({
      stores: [this.#slices, this.#services],
      revisions: this.#revisions,
      timers: this.#timers,
      credentials: this.#credentials,
      entrance,
      faults: this.#faults,
      watches: this.#watches,
      log: this.#log,
      settings,
      delayMs: () => this.#delayMs,
      onChange,
    });
    server.on("request", (request, response) => void handler.handle(request, response));
  }

  /** `https://<host>:<port>`, or without TLS `http://`. */
  get url(): string {
    const host = this.host.includes(":") ? `[${this.host}]` : this.host;
    return `${this.ca === undefined ? "http" : "https"}://${host}:${this.port}`;
  }

  /** The token that counts now. */
  get token(): string {
    return this.#credentials.token;
  }

  /** The revision of the storage: that of a list which begins now. */
  get resourceVersion(): string {
    return String(this.#revisions.current);
  }

  /** The EndpointSlices, by namespace and name. */
  get slices(): readonly EndpointSlice[] {
    return this.#slices.all().map((version) => JSON.parse(itemText(endpointSlices, version)));
  }

  /** The last 10 000 requests, also those that nobody answers. */
  get requests(): readonly ApiRequest[] {
    return this.#log.requests;
  }

  /** The watches that are open, in the order in which they began. */
  get watches(): readonly ApiWatch[] {
    return this.#watches.open;
  }

  /** How many events all watches were sent; bookmarks count. */
  get eventsSent(): number {
    return this.#watches.eventsSent;
  }

  /** Milliseconds that every answer takes, from the next request on. */
  get delayMs(): number {
    return this.#delayMs;
  }

  set delayMs(ms: number) {
    this.#delayMs = checkMs("delayMs", ms);
  }

  /**
   * Creates a slice, or replaces the one with its name; its namespace is "default" unless it says another. Versions, and
   * a UID if it has none, are given by the server. One that says what is there already changes nothing; one with another
   * UID is a new one, before which the old one is deleted. Returns its version. Throws a `TypeError` or `RangeError` for what is no slice; addresses are not looked at.
   */
  setSlice(slice: EndpointSlice): string {
    this.#checkOpen();
    return String(this.#slices.set(checkSlice(slice)).revision);
  }

  /** Whether there was one. */
  deleteSlice(name: string, namespace = "default"): boolean {
    this.#checkOpen();
    return this.#slices.delete(namespace, name);
  }

  /** As `setSlice`. Service and slices know nothing of each other, but for the slices' label. */
  setService(service: ServiceObject): string {
    this.#checkOpen();
    return String(this.#services.set(checkService(service)).revision);
  }

  /** Whether there was one. Its slices stay. */
  deleteService(name: string, namespace = "default"): boolean {
    this.#checkOpen();
    return this.#services.delete(namespace, name);
  }

  /**
   * Lets requests fail from now on; watches that run go on. Of several faults for a request the oldest counts. Throws a
   * `TypeError` or `RangeError` that names the option. Returns what takes it back.
   */
  fail(fault: ApiFault): () => void {
    return this.#faults.fail(fault);
  }

  /** Takes a permission away, as by RBAC: such requests get a 403. Watches that run go on. As `fail`. */
  deny(filter: ApiRequestFilter): () => void {
    return this.#faults.deny(filter);
  }

  /**
   * Forgets what was before: a watch or a page that goes on from an earlier version gets a 410, also when nothing has
   * changed since. Watches that run go on, or with `endWatches` get a 410, too.
   */
  compact(options: { readonly endWatches?: boolean } = {}): void {
    this.#revisions.next();
    for (const store of [this.#slices, this.#services]) store.compact();
    if (options.endWatches) this.#watches.expire();
  }

  /** Ends the watches that run, "cut" by default. */
  dropWatches(how: ApiWatchEnd = "cut"): void {
    this.#watches.drop(how);
  }

  /**
   * Watches that run get nothing any more, neither events nor bookmarks nor an end, and their connections stay. With
   * `andNew` also those that come: they are accepted, and that is all.
   */
  stallWatches(options: { readonly andNew?: boolean } = {}): void {
    this.#watches.stall(options.andNew ?? false);
  }

  /** Undoes `stallWatches`: what the watches have missed comes now. */
  resumeWatches(): void {
    this.#watches.resume();
  }

  /** Is away from now on, until `start`. What is set meanwhile counts. Resolves when it is away. */
  async stop(outage: ApiOutage = "crash"): Promise<void> {
    this.#checkOpen();
    if (this.#outage !== undefined) throw new Error(`the pretend API server is away already: ${this.#outage}`);
    this.#outage = outage;
    if (outage === "drain") this.#entrance.refuse();
    else if (outage === "blackhole") this.#watches.stall(true);
    if (outage === "blackhole") this.#entrance.becomeMute();
    if (outage === "crash") await this.#entrance.close();
  }

  /**
   * Is back, on the same port. After a `crash` or `drain` it is another process, which remembers no history: whatever
   * was listed before, a watch from there gets a 410; `keepHistory` is for an outage that was one of the network. What a
   * `blackhole` held is reset. Rejects with an `Error` when somebody else has the port.
   */
  async start(options: { readonly keepHistory?: boolean } = {}): Promise<void> {
    this.#checkOpen();
    const outage = this.#outage;
    if (outage === undefined) throw new Error("the pretend API server is not away");
    if (outage === "drain") {
      await this.#watches.finish();
      await this.#entrance.close();
    }
    if (!(options.keepHistory ?? outage === "blackhole")) this.compact();
    await this.#entrance.reopen();
    if (outage === "blackhole") this.#watches.resume();
    this.#outage = undefined;
  }

  /**
   * Issues another token, and writes it to the files, as kubelet does it before the old one expires. The old one counts
   * for `graceMs` milliseconds, 0 by default: from then on it gets a 401. Watches that run go on. Returns the new token.
   */
  rotateToken(options: { readonly graceMs?: number } = {}): string {
    this.#checkOpen();
    return this.#credentials.rotate(checkMs("graceMs", options.graceMs ?? 0));
  }

  /**
   * Resolves once `condition` holds: it is looked at whenever a request comes or is answered, a watch begins or ends, or
   * an event is sent. Rejects with an `Error` when the server is closed first.
   */
  async until(condition: () => boolean): Promise<void> {
    await this.#awaited.until(condition);
  }

  /** Resolves once at least `count` watches are open, 1 by default. */
  async untilWatched(count = 1): Promise<void> {
    await this.until(() => this.watches.length >= count);
  }

  /** Stops, ends every connection, and removes the files. Resolves when all is gone. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await this.#entrance.close();
    this.#timers.clear();
    this.#credentials.remove();
    this.#awaited.close();
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new Error("the pretend API server is closed");
  }
}
