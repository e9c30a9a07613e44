import { checkTexts } from "../option-checks.ts";
import type { ApiServer } from "./api-server.ts";

export interface ApiServerAtOptions {
  /** Sent as a bearer token. Default: none. */
  readonly token?: string;
  /** Certificates in PEM, of whoever signed the server's. Default: those that node trusts. */
  readonly ca?: string;
  /** The namespace of Services that are named without one. */
  readonly namespace?: string;
}

/**
 * An API server by its URL: `apiServerAt("http://127.0.0.1:8001")` is what `kubectl proxy` offers.
 *
 * Throws a `TypeError` when `url` is no `http:` or `https:` URL, has credentials or a query, and for a bad option.
 */
export function apiServerAt(url: string, options: ApiServerAtOptions = {}): ApiServer {
  checkTexts("apiServerAt", options, ["token", "ca", "namespace"]);
  const { protocol, username, password, search, hash } = URL.canParse(url) ? new URL(url) : new URL("none:");
  if (username !== "" || password !== "") throw new TypeError("URL of an API server with credentials: use the token");
  if (!/^https?:$/.test(protocol) || search !== "" || hash !== "") {
    throw new TypeError(`malformed URL of an API server ${JSON.stringify(url)}: expected "https://host:port/path"`);
  }
  const { token, ca, namespace } = options;
  const access = {
    url: new URL(url),
    options: {
      ...(ca === undefined ? {} : { ca }),
      ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
    },
    namespace,
  };
  return { key: JSON.stringify(["at", url, token, ca]), access: () => Promise.resolve(access) };
}
