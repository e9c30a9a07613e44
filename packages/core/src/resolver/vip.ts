import { isDeepStrictEqual } from "node:util";
import type { Timer } from "../clock.ts";
import type { Endpoint } from "../endpoint/endpoint.ts";
import { StatusCode } from "../errors.ts";
import { checkKeys, durationOption, numberOption } from "../options.ts";
import type { Outcome } from "../outcome/outcome.ts";
import { type BackoffOptions, backoffDelay } from "../pool/backoff.ts";
import { jitter } from "../random.ts";
import type { Target } from "../target/target.ts";
import { type DnsOptions, hostAddresses } from "./dns.ts";
import type { Resolver, ResolverContext, ResolverFactory, ResolverListener, ResolverUpdate } from "./resolver.ts";
import { leavingSlot, type Slot, slotsByPod } from "./vip-slots.ts";
import { warnOnce } from "./warning.ts";

/** All times in milliseconds. */
export interface VipOptions extends Pick<DnsOptions, "lookup" | "servers" | "refreshMs"> {
  /**
   * Connections through the address: 1 to 256. Default 4, enough that no pod gets more than about a quarter of the RPCs,
   * and few enough for many clients. As many as there are pods reach every pod.
   */
  readonly connections?: number;
  /**
   * After this time, ±10 %, a connection is replaced by a new one, which is how new pods are found; `Infinity`: never.
   * Default 300 000: with 4 connections one is new every 75 s or so.
   */
  readonly maxConnectionAgeMs?: number;
}

/** The first new dials in search of other pods; how many come so fast depends on the number of connections. */
const searchMs = 1_000;
/** From then on, while they find nothing. */
const searchBackoff: BackoffOptions = { initialMs: 1_000, multiplier: 1.6, maxMs: 60_000, jitter: 0.2 };
/** A new connection that no RPC has used is given up after this time, once the others have had so many RPCs each. */
const trialMs = 60_000;
const trialRpcs = 10;
/** So many good answers without the name of a pod, before any that has one, and pods do not tell. */
const namelessAnswers = 20;
/** So many changes of the pod on one connection, and it is no connection to one pod. */
const maxStrays = 3;

/**
 * For a Service of which only the virtual address can be had (its ClusterIP): several connections through that address,
 * spread over distinct pods.
 *
 * The address gives each TCP connection to a pod of its own choice. Servers with a lifecycle of `@evenkeel/server` or
 * `podIdentity()` of `@evenkeel/interceptors` name their pod in every response (`x-evenkeel-pod`), so that connections to
 * the same pod are seen. While there are any, another connection is dialled, and once it has been answered the one that
 * is worth least leaves: at most once a second, less and less often while nothing is found, and at last once a minute.
 * What is known of pods is in the endpoints: `podName`, and `weight`, which two connections to one pod share.
 *
 * Without RPCs no further connection is dialled, and none replaced. Never more than `connections` + 1 endpoints are told.
 * The streams of a connection that is replaced have the channel's `drainTimeoutMs` to finish. Names are looked up as by
 * `dns()`; of several addresses each gets its part of the connections. For HTTP/2: over HTTP/1.1 an endpoint has several
 * connections, and so it has with `maxConnectionsPerEndpoint`.
 *
 * Throws a `TypeError` or `RangeError` that names the option.
 */
export function vip(options: VipOptions = {}): ResolverFactory {
  checkKeys("vip", options, ["connections", "maxConnectionAgeMs", "lookup", "servers", "refreshMs"]);
  const { connections = 4, maxConnectionAgeMs = 300_000, ...lookup } = options;
  const settings = {
    connections: numberOption("connections", connections, { min: 1, max: 256, integer: true }),
    maxConnectionAgeMs: durationOption("maxConnectionAgeMs", maxConnectionAgeMs),
    resolve: hostAddresses("vip", lookup),
  };
  const factory: ResolverFactory = (target, listener, context) => new VipResolver(target, listener, context, settings);
  factories.add(factory);
  return factory;
}

const factories = new WeakSet<ResolverFactory>();

/** Whether `vip()` made it. */
export function isVip(factory: ResolverFactory): boolean {
  return factories.has(factory);
}

/** What Kubernetes allows, and whatever else can be read in a message: what servers send may be anything. */
function isPodName(name: string | undefined): name is string {
  return name !== undefined && /^[\x21-\x7e]{1,253}$/.test(name);
}

interface Settings {
  readonly connections: number;
  readonly maxConnectionAgeMs: number;
  readonly resolve: ResolverFactory;
}

class VipResolver implements Resolver {
  readonly #target: Target;
  readonly #listener: ResolverListener;
  readonly #context: ResolverContext;
  readonly #settings: Settings;
  readonly #addresses: Resolver;
  readonly #slots = new Map<string, Slot>();
  #bases: readonly Endpoint[] = [];
  /** Whether slots came or went that the listener has not been told of. */
  #isSetNew = false;
  #made = 0;
  /** One more than wanted, until it has been answered. */
  #trial: Slot | undefined;
  /** RPCs that the others got since the trial is there. */
  #overtaken = 0;
  /** Trials in a row that changed nothing. */
  #fruitless = 0;
  #dialledAt = 0;
  /** When to dial next while pods have several slots. */
  #searchAt = 0;
  /** When there is something to do, if RPCs come. */
  #reviewAt = Number.POSITIVE_INFINITY;
  #review: Timer | undefined;
  /** Hints that connections were lost: their successors may be on other pods. */
  #losses = 0;
  #identity: "unknown" | "told" | "mixed" = "unknown";
  #nameless = 0;

  constructor(target: Target, listener: ResolverListener, context: ResolverContext, settings: Settings) {
    this.#target = target;
    this.#listener = listener;
    this.#context = context;
    this.#settings = settings;
    this.#addresses = settings.resolve(target, (update) => this.#resolved(update), context);
  }

  resolveNow(): void {
    this.#losses++;
    this.#addresses.resolveNow();
  }

  report(endpoint: Endpoint, outcome: Outcome): void {
    const slot = this.#slots.get(endpoint.key);
    // a former connection of the slot, which still finishes its streams, has the endpoint of then
    if (slot?.endpoint !== endpoint || outcome.firstByteMs === undefined) return;
    const now = this.#context.clock.now();
    const { podName } = outcome;
    const isStranger = podName !== slot.pod && this.#identity !== "mixed" && isPodName(podName);
    if (slot.answered && !isStranger && now < this.#reviewAt) {
      this.#overtaken++;
      if (this.#identity === "unknown") this.#missName(outcome);
      return;
    }
    slot.answered = true;
    if (isStranger) this.#learn(slot, podName, now);
    // in a turn of its own: reports come from the middle of calls and of the pool's changes
    this.#review ??= this.#context.clock.setTimeout(() => this.#reviewSlots(), 0);
  }

  close(): void {
    this.#addresses.close();
    this.#review?.cancel();
    this.#slots.clear();
  }

  #resolved(update: ResolverUpdate): void {
    if (update.kind === "error") {
      this.#listener(update);
      return;
    }
    this.#bases = update.kind === "endpoints" ? update.endpoints : [];
    const found = new Map(this.#bases.map((base) => [base.key, base]));
    for (const slot of [...this.#slots.values()]) {
      const base = found.get(slot.base.key);
      if (base === undefined) this.#remove(slot);
      else if (!isDeepStrictEqual(base, slot.base)) slot.base = base;
    }
    const now = this.#context.clock.now();
    if (this.#slots.size === 0) {
      this.#dialledAt = now;
      this.#searchAt = now + searchMs;
    }
    const wanted = this.#settings.connections + (this.#trial === undefined ? 0 : 1);
    while (this.#bases.length > 0 && this.#slots.size < wanted) this.#add(now);
    this.#renew();
    if (update.kind === "endpoints") this.#tell();
    else this.#listener(update);
  }

  #add(now: number): Slot {
    const { random } = this.#context;
    const base = this.#leastUsedBase();
    const key = `${base.key}#${++this.#made}`;
    const retireAt = now + jitter(random, this.#settings.maxConnectionAgeMs, 0.1);
    const endpoint = { ...base, key };
    const known = { pod: undefined, answered: false, passedOver: 0, losses: this.#losses, strays: 0 };
    const slot: Slot = { key, base, endpoint, bornAt: now, retireAt, ...known };
    this.#slots.set(key, slot);
    this.#isSetNew = true;
    return slot;
  }

  #remove(slot: Slot): void {
    this.#slots.delete(slot.key);
    this.#isSetNew = true;
    if (slot === this.#trial) this.#trial = undefined;
  }

  #leastUsedBase(): Endpoint {
    const counts = new Map<string, number>();
    for (const { base } of this.#slots.values()) counts.set(base.key, (counts.get(base.key) ?? 0) + 1);
    const [first, ...rest] = this.#bases as readonly [Endpoint, ...Endpoint[]];
    return rest.reduce(
      (least, base) => ((counts.get(base.key) ?? 0) < (counts.get(least.key) ?? 0) ? base : least),
      first,
    );
  }

  #missName({ code }: Outcome): void {
    if (code !== StatusCode.ok || ++this.#nameless !== namelessAnswers) return;
    const message =
      `The pods behind ${this.#target.host} do not name themselves in their responses, so whether the connections of ` +
      "vip() reach different pods is left to chance: give servers a lifecycle of @evenkeel/server and its interceptor, " +
      "or podIdentity() of @evenkeel/interceptors.";
    warnOnce("EVENKEEL_POD_IDENTITY", this.#target, message);
  }

  #learn(slot: Slot, pod: string, now: number): void {
    if (slot.pod !== undefined) {
      slot.strays = slot.losses === this.#losses ? slot.strays + 1 : 0;
      if (slot.strays > maxStrays) {
        this.#mix();
        return;
      }
      // the pool dialled again
      slot.bornAt = now;
      slot.retireAt = now + jitter(this.#context.random, this.#settings.maxConnectionAgeMs, 0.1);
      this.#fruitless = 0;
      this.#searchAt = Math.min(this.#searchAt, now + this.#pause());
    }
    slot.pod = pod;
    slot.losses = this.#losses;
    // until the pool has the new one: a former connection may have RPCs yet, which would look like changes of the pod
    slot.endpoint = { ...slot.endpoint, podName: pod };
    this.#isSetNew = true;
    this.#identity = "told";
  }

  /** What stands at the address gives each request to a pod of its own choice. */
  #mix(): void {
    this.#identity = "mixed";
    for (const slot of this.#slots.values()) slot.pod = undefined;
    const message =
      `Answers of several pods come through one connection of vip() to ${this.#target.host}: what stands there ` +
      "balances requests by itself, as L7 proxies do, or an endpoint has several connections, as over HTTP/1.1 or with " +
      "maxConnectionsPerEndpoint. The connections are not spread by pod.";
    warnOnce("EVENKEEL_MIXED_PODS", this.#target, message);
  }

  #reviewSlots(): void {
    this.#review = undefined;
    const { clock } = this.#context;
    const now = clock.now();
    this.#settleTrial(now);
    if (this.#trial === undefined && now >= this.#dueAt()) {
      this.#trial = this.#add(now);
      this.#overtaken = 0;
      this.#dialledAt = now;
    }
    this.#reviewAt = this.#trial === undefined ? this.#dueAt() : Math.max(this.#trial.bornAt + trialMs, now + searchMs);
    if (this.#renew()) this.#tell();
  }

  #settleTrial(now: number): void {
    const trial = this.#trial;
    if (trial === undefined) return;
    const isIdle = now - trial.bornAt >= trialMs && this.#overtaken >= trialRpcs * this.#settings.connections;
    if (!trial.answered && !isIdle) return;
    const slots = [...this.#slots.values()];
    const leaving = trial.answered ? leavingSlot(trial, slots, now, this.#patience) : trial;
    for (const slot of slots) if (slot.retireAt <= now) slot.passedOver++;
    this.#remove(leaving);
    this.#trial = undefined;
    if (leaving === trial) this.#fruitless++;
    else if (leaving.pod !== trial.pod) this.#fruitless = 0; // else it is only newer
    this.#searchAt = trial.bornAt + this.#pause();
  }

  /** When to dial another: while pods have several slots, and when one's time is over, which waits for no search. */
  #dueAt(): number {
    const slots = [...this.#slots.values()];
    if (slots.length === 0) return Number.POSITIVE_INFINITY;
    const isCrowded = [...slotsByPod(slots).values()].some((count) => count > 1);
    const rotateAt = Math.max(this.#dialledAt + searchMs, Math.min(...slots.map(({ retireAt }) => retireAt)));
    return isCrowded ? Math.min(this.#searchAt, rotateAt) : rotateAt;
  }

  /** Trials that come fast: of as many pods as connections they miss one in seven times or less. */
  get #patience(): number {
    return 2 * this.#settings.connections;
  }

  #pause(): number {
    const { random } = this.#context;
    const slow = this.#fruitless - this.#patience;
    return slow < 0 ? jitter(random, searchMs, 0.2) : backoffDelay(slow + 1, random, searchBackoff);
  }

  /** Makes the endpoints fit what is known; what has not changed stays the same object. Returns whether any has. */
  #renew(): boolean {
    const counts = slotsByPod(this.#slots.values());
    let isSetNew = this.#isSetNew;
    for (const slot of this.#slots.values()) {
      const { base, key, pod, endpoint } = slot;
      const weight = base.weight / ((pod === undefined ? undefined : counts.get(pod)) ?? 1);
      if (endpoint.podName === pod && endpoint.weight === weight && endpoint.addresses === base.addresses) continue;
      slot.endpoint = { ...base, key, weight, ...(pod === undefined ? {} : { podName: pod }) };
      isSetNew = true;
    }
    return isSetNew;
  }

  #tell(): void {
    this.#isSetNew = false;
    this.#listener({ kind: "endpoints", endpoints: [...this.#slots.values()].map(({ endpoint }) => endpoint) });
  }
}
