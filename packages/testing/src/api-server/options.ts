import { isIP } from "node:net";
import { checkMs } from "../cluster/options.ts";

/** How a pretend API server is set up. */
export interface ApiServerOptions {
  /** The IP address it listens on. Default "127.0.0.1". */
  readonly host?: string;
  /** Default: a free one from 10 000 to 19 999. */
  readonly port?: number;
  /** Whether it speaks HTTPS and wants a token. Without, it is what `kubectl proxy` is. Default true. */
  readonly tls?: boolean;
  /** The namespace of the service account. Default "default". */
  readonly namespace?: string;
  /** Milliseconds from one bookmark of a watch to the next, above 0. Default 60 000, as from the real one. */
  readonly bookmarkMs?: number;
  /**
   * Whether nobody else writes slices in this cluster. A bookmark tells the version of the last change of any slice, and
   * is left out while the watch has seen that one: where all is quiet, a sound watch is silent, too.
   * Default false: every bookmark has a new version.
   */
  readonly quiet?: boolean;
  /** Milliseconds that every answer takes. Default 0. */
  readonly delayMs?: number;
  /**
   * How many changes of a kind of object are remembered at least, 1 or more: watches that ask for older ones are told to
   * start anew, with a 410. Default 1 000.
   */
  readonly historyLimit?: number;
}

/** The options, checked, with their defaults. */
export interface ApiServerSettings {
  readonly host: string;
  readonly port: number | undefined;
  readonly tls: boolean;
  readonly namespace: string;
  readonly bookmarkMs: number;
  readonly quiet: boolean;
  readonly delayMs: number;
  readonly historyLimit: number;
}

/** Throws a `TypeError` or `RangeError` that names the option. */
export function checkApiServerOptions(options: ApiServerOptions): ApiServerSettings {
  const { host = "127.0.0.1", port, tls = true, namespace = "default", quiet = false, historyLimit = 1_000 } = options;
  const bookmarkMs = options.bookmarkMs ?? 60_000;
  if (typeof host !== "string" || isIP(host) === 0) {
    throw new TypeError(`host: expected an IP address, got ${JSON.stringify(host)}`);
  }
  if (port !== undefined) checkPort("port", port);
  if (typeof tls !== "boolean") throw new TypeError(`tls: expected true or false, got ${JSON.stringify(tls)}`);
  if (typeof quiet !== "boolean") throw new TypeError(`quiet: expected true or false, got ${JSON.stringify(quiet)}`);
  if (typeof namespace !== "string" || !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace)) {
    throw new TypeError(`namespace: expected a DNS label, got ${JSON.stringify(namespace)}`);
  }
  if (bookmarkMs === 0) throw new RangeError("bookmarkMs: expected milliseconds above 0, got 0");
  if (!Number.isInteger(historyLimit) || historyLimit < 1) {
    throw new RangeError(`historyLimit: expected an integer from 1, got ${historyLimit}`);
  }
  return {
    host,
    port,
    tls,
    namespace,
    quiet,
    bookmarkMs: checkMs("bookmarkMs", bookmarkMs),
    delayMs: checkMs("delayMs", options.delayMs ?? 0),
    historyLimit,
  };
}

/** Throws a `RangeError` that names the option. */
export function checkPort(option: string, port: number): number {
  if (!(Number.isInteger(port) && port >= 1 && port <= 65_535)) {
    throw new RangeError(`${option}: expected an integer from 1 to 65535, got ${port}`);
  }
  return port;
}
