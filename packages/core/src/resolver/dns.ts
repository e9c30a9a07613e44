import { NODATA, NOTFOUND, promises as nodeDns } from "node:dns";
import { isIP } from "node:net";
import type { Clock, Timer } from "../clock.ts";
import { createEndpoint, type Endpoint } from "../endpoint/endpoint.ts";
import { messageOf, StatusCode, StatusError } from "../errors.ts";
import { checkKeys, typeOption } from "../options.ts";
import { backoffDelay } from "../pool/backoff.ts";
import { jitter } from "../random.ts";
import type { Target } from "../target/target.ts";
import type { Resolver, ResolverContext, ResolverFactory, ResolverListener, ResolverUpdate } from "./resolver.ts";
import { SharedResolvers } from "./shared.ts";
import { warnOnce } from "./warning.ts";

/** An address of a host name. */
export interface HostAddress {
  readonly address: string;
  readonly family: number;
}

export interface DnsOptions {
  /** Finds all addresses of a host. Default: `dns.lookup`, so that hosts files and search domains work. */
  readonly lookup?: (host: string) => Promise<readonly HostAddress[]>;
  /** DNS servers to ask instead, as `address` or `address:port`; hosts files and search domains do not count then. */
  readonly servers?: readonly string[];
  /** Asks for SRV records under these labels, like `_grpc._tcp`: port and weight come from them (RFC 2782). */
  readonly srv?: string;
  /** Milliseconds between two look-ups, ±10 %. Default 30 000. */
  readonly refreshMs?: number;
}

/** After a hint that the set changed, look-ups come this often (milliseconds) for this long. */
const hintedRefreshMs = 5_000;
const hintedForMs = 60_000;

/**
 * Every address of the target's host is an endpoint, on the target's port: right for a headless Service, whose A
 * records are its pods.
 *
 * Of a host with addresses of both families the family of the first is used, so that a pod does not count twice; one
 * address of each is one endpoint that is dialled at both. When a look-up fails or finds nothing, the last set stays.
 * Throws a `TypeError` or `RangeError` for options that are none, contradict each other or are out of range.
 */
export function dns(options: DnsOptions = {}): ResolverFactory {
  checkKeys("dns", options, ["lookup", "servers", "srv", "refreshMs"]);
  const resolve = hostAddresses("dns", options);
  if (options.srv !== undefined) return resolve;
  return (target, listener, context) => {
    let closed = false;
    const tell = (update: ResolverUpdate): void => {
      if (update.kind === "endpoints") warnOfClusterIp(target, update.endpoints);
      if (!closed) listener(update); // whoever hears the warning may close the channel
    };
    const resolver = resolve(target, tell, context);
    const close = (): void => {
      closed = true;
      resolver.close();
    };
    return { resolveNow: () => resolver.resolveNow(), close };
  };
}

/** As `dns()`, without the warning of a ClusterIP; errors name `factory`. */
export function hostAddresses(factory: string, options: DnsOptions): ResolverFactory {
  const { lookup, srv, refreshMs = 30_000 } = options;
  if (lookup !== undefined) typeOption("lookup", lookup, "function");
  if (srv !== undefined) typeOption("srv", srv, "string");
  if (typeof refreshMs !== "number") {
    throw new TypeError(`${factory}: refreshMs: expected a number of milliseconds, got ${String(refreshMs)}`);
  }
  if (lookup !== undefined && options.servers !== undefined) {
    throw new TypeError(`${factory}: expected either lookup or servers, got both`);
  }
  if (!(refreshMs > 0))
    throw new RangeError(`${factory}: refreshMs: expected more than 0 milliseconds, got ${refreshMs}`);
  if (options.servers !== undefined) checkServers(factory, options.servers);
  return (target, listener, context) => {
    if (isIP(target.host) !== 0) {
      listener({ kind: "endpoints", endpoints: [createEndpoint({ host: target.host, port: target.port })] });
      return { resolveNow() {}, close() {} };
    }
    const start = (tell: ResolverListener): Resolver => new DnsResolver(target, tell, context, options, refreshMs);
    if (lookup !== undefined) return start(listener); // what it finds is its own
    const key = JSON.stringify([target.host, target.port, options.servers, options.srv, refreshMs]);
    return sharedBy(context.clock).join(key, listener, start);
  };
}

function checkServers(factory: string, servers: readonly string[]): void {
  try {
    if (servers.length === 0) throw new Error("none");
    new nodeDns.Resolver().setServers(servers);
  } catch (cause) {
    const got = JSON.stringify(servers);
    throw new TypeError(`${factory}: servers: expected a list of "address" or "address:port", got ${got}`, { cause });
  }
}

const shared = new WeakMap<Clock, SharedResolvers>();

/** Channels to the same host look it up together: each sees the same, and DNS is asked once. */
function sharedBy(clock: Clock): SharedResolvers {
  const resolvers = shared.get(clock) ?? new SharedResolvers();
  shared.set(clock, resolvers);
  return resolvers;
}

class DnsResolver implements Resolver {
  readonly #target: Target;
  readonly #listener: ResolverListener;
  readonly #context: ResolverContext;
  readonly #options: DnsOptions;
  readonly #refreshMs: number;
  readonly #servers: nodeDns.Resolver;
  #timer: Timer | undefined;
  #running = false;
  #closed = false;
  #failures = 0;
  #startedAt = 0;
  #hintedAt = Number.NEGATIVE_INFINITY;

  constructor(
    target: Target,
    listener: ResolverListener,
    context: ResolverContext,
    options: DnsOptions,
    refreshMs: number,
  ) {
    this.#target = target;
    this.#listener = listener;
    this.#context = context;
    this.#options = options;
    this.#refreshMs = refreshMs;
    this.#servers = new nodeDns.Resolver({ timeout: 2_000, tries: 2 });
    if (options.servers !== undefined) this.#servers.setServers(options.servers);
    void this.#poll();
  }

  resolveNow(): void {
    this.#hintedAt = this.#context.clock.now();
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#servers.cancel();
  }

  async #poll(): Promise<void> {
    this.#running = true;
    this.#startedAt = this.#context.clock.now();
    const update = await this.#lookUp();
    this.#running = false;
    if (this.#closed) return;
    this.#failures = update.kind === "error" ? this.#failures + 1 : 0;
    this.#schedule();
    this.#listener(update);
  }

  async #lookUp(): Promise<ResolverUpdate> {
    try {
      return { kind: "endpoints", endpoints: await this.#resolve() };
    } catch (cause) {
      const message = `DNS look-up of ${this.#target.host} failed: ${messageOf(cause)}`;
      return { kind: "error", error: new StatusError(StatusCode.unavailable, message, { cause }) };
    }
  }

  #schedule(): void {
    if (this.#closed || this.#running) return;
    this.#timer?.cancel();
    const { clock } = this.#context;
    const wait = Math.max(0, this.#startedAt + this.#interval() - clock.now());
    this.#timer = clock.setTimeout(() => void this.#poll(), wait);
  }

  #interval(): number {
    const { clock, random } = this.#context;
    const regular = jitter(random, this.#refreshMs, 0.1);
    if (this.#failures > 0) return Math.min(regular, backoffDelay(this.#failures, random));
    return clock.now() - this.#hintedAt < hintedForMs ? Math.min(regular, hintedRefreshMs) : regular;
  }

  async #resolve(): Promise<readonly Endpoint[]> {
    const { host, port } = this.#target;
    if (this.#options.srv !== undefined) return await this.#resolveSrv(`${this.#options.srv}.${host}`);
    return toEndpoints(await this.#lookup(host), port);
  }

  async #resolveSrv(name: string): Promise<readonly Endpoint[]> {
    const records = await this.#servers.resolveSrv(name);
    const first = Math.min(...records.map(({ priority }) => priority));
    const chosen = records.filter(({ priority }) => priority === first);
    if (chosen.length === 0) throw new Error(`${name} has no SRV record`);
    const found = await Promise.allSettled(
      chosen.map(async (record) => {
        const addresses = await this.#lookup(record.name);
        return toEndpoints(addresses, record.port).map((endpoint) => ({
          ...endpoint,
          weight: Math.max(1, record.weight),
        }));
      }),
    );
    const endpoints = found.flatMap((each) => (each.status === "fulfilled" ? each.value : []));
    const failures = found.flatMap((each) => (each.status === "rejected" ? [each.reason] : []));
    // a host that is gone takes only itself away; one that could not be looked up may be there still
    if (endpoints.length === 0 || !failures.every(isGone)) throw new AggregateError(failures, "");
    return endpoints;
  }

  async #lookup(host: string): Promise<readonly HostAddress[]> {
    const { lookup, servers } = this.#options;
    const found =
      lookup !== undefined
        ? await lookup(host)
        : servers !== undefined
          ? await this.#query(host)
          : await nodeDns.lookup(host, { all: true });
    if (found.length === 0) throw Object.assign(new Error(`${host} has no address`), { code: NODATA });
    return found;
  }

  async #query(host: string): Promise<readonly HostAddress[]> {
    const [v4, v6] = await Promise.allSettled([this.#servers.resolve4(host), this.#servers.resolve6(host)]);
    if (v4.status === "fulfilled" && v4.value.length > 0) return v4.value.map((address) => ({ address, family: 4 }));
    if (v6.status === "fulfilled" && v6.value.length > 0) return v6.value.map((address) => ({ address, family: 6 }));
    if (v4.status === "rejected") throw v4.reason;
    return [];
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === NOTFOUND || error.code === NODATA);
}

function toEndpoints(found: readonly HostAddress[], port: number): readonly Endpoint[] {
  const distinct = [...new Map(found.map((each) => [each.address, each])).values()];
  const family = distinct[0]?.family;
  const addresses = distinct.filter((each) => each.family === family);
  const others = distinct.filter((each) => each.family !== family);
  return addresses.map(({ address }) => {
    const endpoint = createEndpoint({ host: address, port });
    const [other] = others;
    if (addresses.length > 1 || others.length > 1 || other === undefined) return endpoint;
    return { ...endpoint, addresses: [...endpoint.addresses, { host: other.address, port }] };
  });
}

/** A Service name with one address is most likely a virtual IP, which gives each connection to one pod. */
function warnOfClusterIp(target: Target, [endpoint, ...others]: readonly Endpoint[]): void {
  const { host } = target;
  if (endpoint === undefined || others.length > 0 || !/\.svc(\.|$)/.test(host)) return;
  const message =
    `${host} resolves to the single address ${endpoint.addresses[0].host}. If that is a ClusterIP, every RPC goes to one ` +
    "pod: use a headless Service (clusterIP: None), so that DNS tells the pods' addresses, or the resolver vip(), which " +
    "spreads several connections through the address.";
  warnOnce("EVENKEEL_CLUSTER_IP", target, message);
}
