import type { Clock } from "../clock.ts";
import type { Endpoint } from "../endpoint/endpoint.ts";
import type { Outcome } from "../outcome/outcome.ts";
import type { Random } from "../random.ts";
import type { Target } from "../target/target.ts";

/** What a resolver found. Error, an empty set and does-not-exist are three different things. */
export type ResolverUpdate =
  /** The full set, which replaces the one before; it may be empty. */
  | { readonly kind: "endpoints"; readonly endpoints: readonly Endpoint[] }
  /** The set could not be learnt; the last one stays in use. */
  | { readonly kind: "error"; readonly error: Error }
  /** The target does not exist; the last set is dropped. */
  | { readonly kind: "notFound"; readonly error: Error };

/** Gets every update, the first also before the factory has returned; none after `close`. */
export type ResolverListener = (update: ResolverUpdate) => void;

/** Learns the endpoints of one target and keeps them current. Its timers and sockets are unref'd. */
export interface Resolver {
  /** A hint that the set may be out of date: a connection was lost or refused, or sent GOAWAY. */
  resolveNow(): void;
  /** Takes what became of an attempt on one of its endpoints. */
  report?(endpoint: Endpoint, outcome: Outcome): void;
  /** Stops; no update follows. */
  close(): void;
}

export interface ResolverContext {
  readonly clock: Clock;
  readonly random: Random;
}

/** Starts resolving `target`. What users pass as `resolver`. */
export type ResolverFactory = (target: Target, listener: ResolverListener, context: ResolverContext) => Resolver;
