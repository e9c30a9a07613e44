import { type Endpoint, messageOf, type Target } from "@evenkeel/core";
import { explainDialError, unavailable } from "@evenkeel/http2";
import { givenAgent } from "./given-agent.ts";
import { checkNodeOptions, type Http1NodeOptions, isAgent } from "./node-options.ts";
import { ownAgent } from "./own-agent.ts";
import type { Route } from "./route.ts";

export interface DialOptions {
  /** Decides between TLS and plain text; certificates must be for its host, whatever address is dialled. */
  readonly target: Target;
  /** Asked for anew at every dial. */
  readonly nodeOptions: () => Http1NodeOptions;
}

export interface DialListener {
  /** A connection was made this way; with TLS the peer is verified. */
  connected(route: Route): void;
  /** The socket that was dialled broke before a request took it: with TLS 1.3 that is how a server refuses clients. */
  lost(error: Error): void;
  failed(error: Error): void;
}

/** Tries the addresses of an endpoint in their order. Returns the function that gives up; nothing is told then. */
export function dial(endpoint: Endpoint, options: DialOptions, listener: DialListener): () => void {
  const { target } = options;
  let route: Route | undefined;
  let over = false;
  const tryAddress = (index: number, errors: readonly Error[]): void => {
    const address = endpoint.addresses[index];
    if (address === undefined) {
      over = true;
      const message = errors.map(messageOf).join("; ");
      listener.failed(unavailable(message, errors.at(-1)));
      return;
    }
    let isConnected = false;
    const done = (tried: Route | undefined, error?: Error | null): void => {
      if (error && isConnected) listener.lost(error);
      if (over) return;
      if (tried !== undefined && !error) {
        over = true;
        isConnected = true;
        listener.connected(tried);
        return;
      }
      const text = explainDialError(error, address, target);
      tryAddress(index + 1, [...errors, new Error(text, { cause: error })]);
    };
    try {
      const nodeOptions = defined(options.nodeOptions());
      checkNodeOptions(nodeOptions);
      const { agent } = nodeOptions;
      const tried = isAgent(agent)
        ? givenAgent(agent, address, target, nodeOptions)
        : ownAgent(address, target, nodeOptions);
      route = tried;
      tried.open((error) => done(tried, error));
    } catch (error) {
      process.nextTick(done, undefined, error);
    }
  };
  tryAddress(0, []);
  return () => {
    over = true;
    route?.close();
  };
}

/** What is undefined would take the place of a default, node's check of certificates among them. */
function defined(options: Http1NodeOptions): Http1NodeOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
