import { channel } from "node:diagnostics_channel";
import type { ConnectionHealth } from "./connection/health.ts";
import type { Endpoint } from "./endpoint/endpoint.ts";
import type { Outcome } from "./outcome/outcome.ts";
import type { EjectionChange } from "./outlier/options.ts";
import type { ResolverUpdate } from "./resolver/resolver.ts";

/** What evenkeel tells on `node:diagnostics_channel`, each as `evenkeel:<name>`. */
export interface Events {
  /** A resolver found something, or failed to. */
  "resolver.update": { readonly target: string; readonly update: ResolverUpdate };
  /** A connection is made: it may take RPCs, with a health check once that says so. */
  "connection.ready": ConnectionEvent;
  /** A peer told a connection to end. */
  "connection.goaway": ConnectionEvent & {
    readonly errorCode: number;
    readonly lastStreamId: number;
    readonly debugData: string;
  };
  /** A peer does not answer, or is heard again. */
  "connection.suspicion": ConnectionEvent & { readonly suspect: boolean };
  /** What its health check says of a connection changed. */
  "connection.health": ConnectionEvent & ConnectionHealth;
  /** A connection ended, or was never made. */
  "connection.closed": ConnectionEvent & {
    readonly reason: Error;
    readonly orderly: boolean;
    /** Whether it had ever been ready. */
    readonly wasReady: boolean;
    /** Streams that were written, not answered, and ended with it. */
    readonly streamsLost: number;
  };
  /** Outlier detection leaves an endpoint out, or lets it take part again. */
  "endpoint.ejection": { readonly target: string } & EjectionChange;
  /** An attempt of an RPC ended. */
  "attempt.end": ConnectionEvent & { readonly path: string; readonly outcome: Outcome };
  /** Something that a person should look at; told once. */
  warning: { readonly target: string; readonly message: string };
}

export interface ConnectionEvent {
  readonly target: string;
  readonly endpoint: Endpoint;
  /** The connection's label. */
  readonly connection: string;
}

const channels = {
  "resolver.update": channel("evenkeel:resolver.update"),
  "connection.ready": channel("evenkeel:connection.ready"),
  "connection.goaway": channel("evenkeel:connection.goaway"),
  "connection.suspicion": channel("evenkeel:connection.suspicion"),
  "connection.health": channel("evenkeel:connection.health"),
  "connection.closed": channel("evenkeel:connection.closed"),
  "endpoint.ejection": channel("evenkeel:endpoint.ejection"),
  "attempt.end": channel("evenkeel:attempt.end"),
  warning: channel("evenkeel:warning"),
};

/** Whether anybody listens: spares the making of an event that nobody gets. */
export function hasSubscribers(name: keyof Events): boolean {
  return channels[name].hasSubscribers;
}

export function publish<Name extends keyof Events>(name: Name, event: Events[Name]): void {
  channels[name].publish(event);
}

/** Calls `listener` for every event of that name in the process. Returns the function that stops it. */
export function subscribe<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void {
  const onMessage = (message: unknown): void => listener(message as Events[Name]);
  channels[name].subscribe(onMessage);
  return () => {
    channels[name].unsubscribe(onMessage);
  };
}
