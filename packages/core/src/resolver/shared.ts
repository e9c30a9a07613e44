import type { Resolver, ResolverListener, ResolverUpdate } from "./resolver.ts";

/** Resolvers that several users of the same target share: each runs once, for as long as anyone uses it. */
export class SharedResolvers {
  readonly #running = new Map<string, SharedResolver>();

  /** Joins the resolver of this key, or starts it. A listener that joins later gets the present set at once. */
  join(key: string, listener: ResolverListener, start: (listener: ResolverListener) => Resolver): Resolver {
    const running = this.#running.get(key);
    const shared = running ?? new SharedResolver(() => this.#running.delete(key));
    const leave = shared.add(listener);
    if (running === undefined) {
      this.#running.set(key, shared);
      shared.start(start);
    } else {
      for (const update of running.latest) listener(update);
    }
    return { resolveNow: () => shared.resolveNow(), close: leave };
  }
}

class SharedResolver {
  readonly #listeners = new Set<{ readonly update: ResolverListener }>();
  readonly #onUnused: () => void;
  #resolver: Resolver | undefined;
  #set: ResolverUpdate | undefined;
  #error: ResolverUpdate | undefined;

  constructor(onUnused: () => void) {
    this.#onUnused = onUnused;
  }

  /** What a listener has to hear to know what the others know: the set, and why it could not be renewed. */
  get latest(): readonly ResolverUpdate[] {
    return [this.#set, this.#error].filter((update) => update !== undefined);
  }

  start(start: (listener: ResolverListener) => Resolver): void {
    const resolver = start((update) => this.#publish(update));
    if (this.#listeners.size === 0) resolver.close();
    else this.#resolver = resolver;
  }

  resolveNow(): void {
    this.#resolver?.resolveNow();
  }

  /** Returns what takes the listener away; with the last one the resolver closes. */
  add(update: ResolverListener): () => void {
    const listener = { update };
    this.#listeners.add(listener);
    return () => {
      if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return;
      this.#onUnused();
      this.#resolver?.close();
    };
  }

  #publish(update: ResolverUpdate): void {
    if (update.kind === "error") {
      this.#error = update;
    } else {
      this.#set = update;
      this.#error = undefined;
    }
    for (const listener of [...this.#listeners]) if (this.#listeners.has(listener)) listener.update(update);
  }
}
