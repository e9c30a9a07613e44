import type {
  HealthLifecycle,
  HealthPhase,
  HealthRegistry,
  HealthRegistryOptions,
  HealthStatus,
  WatchedStatus,
  WatchOptions,
} from "./registry.ts";
import { StatusWatch } from "./status-watch.ts";

/** Makes a registry. Throws a `TypeError` that names the option at fault. */
export function createHealthRegistry(options: HealthRegistryOptions = {}): HealthRegistry {
  return new StatusRegistry(options);
}

const statuses: readonly unknown[] = ["serving", "notServing", "unknown"] satisfies HealthStatus[];

class StatusRegistry implements HealthRegistry {
  /** As they were set. */
  readonly #statuses = new Map<string, HealthStatus>();
  readonly #watches = new Map<string, Set<StatusWatch>>();
  #mode: "open" | "shutdown" | "closed" = "open";
  #leaveLifecycle: (() => void) | undefined;

  constructor(options: HealthRegistryOptions) {
    for (const name of Object.keys(options)) {
      if (name !== "statuses" && name !== "lifecycle") {
        throw new TypeError(`${name} is no option: expected statuses or lifecycle`);
      }
    }
    const given: Readonly<Record<string, HealthStatus>> = { "": "serving", ...options.statuses };
    for (const [service, status] of Object.entries(given)) {
      this.#statuses.set(service, checked(status, `statuses[${JSON.stringify(service)}]`));
    }
    if (options.lifecycle !== undefined) this.#follow(options.lifecycle);
  }

  set(service: string, status: HealthStatus): void {
    this.#statuses.set(serviceName(service), checked(status, "status"));
    this.#changed(service);
  }

  get(service: string): HealthStatus | undefined {
    const status = this.#statuses.get(service);
    return status === undefined || this.#mode === "open" ? status : "notServing";
  }

  delete(service: string): boolean {
    if (!this.#statuses.delete(service)) return false;
    this.#changed(service);
    return true;
  }

  list(): ReadonlyMap<string, HealthStatus> {
    const told = this.#mode === "open" ? undefined : "notServing";
    return new Map([...this.#statuses].map(([service, status]) => [service, told ?? status]));
  }

  watch(service: string, { signal }: WatchOptions = {}): AsyncIterableIterator<WatchedStatus, undefined> {
    const onAbort = (): void => void watch.return();
    const watch = new StatusWatch(this.#mode === "closed" ? undefined : this.#watched(serviceName(service)), () => {
      signal?.removeEventListener("abort", onAbort);
      this.#forget(service, watch);
    });
    const others = this.#watches.get(service) ?? new Set();
    this.#watches.set(service, others.add(watch));
    if (this.#mode === "closed") watch.end();
    else if (signal?.aborted === true) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
    return watch;
  }

  shutdown(): void {
    if (this.#mode === "open") this.#enter("shutdown");
  }

  resume(): void {
    if (this.#mode === "shutdown") this.#enter("open");
  }

  close(): void {
    if (this.#mode === "closed") return;
    this.#enter("closed");
    this.#leaveLifecycle?.();
    for (const watch of [...this.#watches.values()].flatMap((watches) => [...watches])) watch.end();
  }

  #enter(mode: "open" | "shutdown" | "closed"): void {
    this.#mode = mode;
    for (const service of this.#watches.keys()) this.#changed(service);
  }

  #follow(lifecycle: HealthLifecycle): void {
    if (typeof lifecycle?.onPhase !== "function") {
      throw new TypeError("lifecycle: expected an object with phase and onPhase(), such as that of createLifecycle()");
    }
    const onPhase = (phase: HealthPhase): void => {
      if (phase === "serving") this.resume();
      else if (phase === "notReady") this.shutdown();
      else this.close();
    };
    this.#leaveLifecycle = lifecycle.onPhase(onPhase);
    onPhase(lifecycle.phase);
  }

  #watched(service: string): WatchedStatus {
    return this.get(service) ?? "serviceUnknown";
  }

  #changed(service: string): void {
    const watches = this.#watches.get(service);
    if (watches === undefined) return;
    const status = this.#watched(service);
    for (const watch of watches) watch.update(status);
  }

  #forget(service: string, watch: StatusWatch): void {
    const watches = this.#watches.get(service);
    watches?.delete(watch);
    if (watches?.size === 0) this.#watches.delete(service);
  }
}

function checked(status: HealthStatus, name: string): HealthStatus {
  if (statuses.includes(status)) return status;
  throw new TypeError(`${name}: expected "serving", "notServing" or "unknown", got ${JSON.stringify(status)}`);
}

function serviceName(service: string): string {
  if (typeof service === "string") return service;
  throw new TypeError(`service: expected the full name of a service, or "", got ${JSON.stringify(service)}`);
}
