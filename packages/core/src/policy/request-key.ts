import { checkKeys } from "../options.ts";
import type { PickInfo } from "../picker/picker.ts";

/**
 * Where an RPC's key comes from: RPCs of one key go to one endpoint.
 *
 * - `{ header: "x-user-id" }`: a request header, several values joined as they are sent. Names in any case; not those
 *   that end in `-bin` (gRFC A76).
 * - `{ contextValue: kUserId }`: Connect's `createContextKey<string | undefined>(undefined)`.
 * - A function of the RPC, called for each attempt: it has to be fast, and to say the same for a retry. What it throws
 *   fails the RPC, with the code `internal`.
 *
 * RPCs without a key, or with an empty one, go anywhere at random, by the endpoints' weights (gRFC A76).
 */
export type RequestKey =
  | { readonly header: string }
  | { readonly contextValue: RequestContextKey }
  | ((rpc: PickInfo) => string | undefined);

/** Connect's `ContextKey`. */
export interface RequestContextKey {
  readonly id: symbol;
  readonly defaultValue: string | undefined;
}

/** RFC 9110, section 5.6.2. */
const token = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/** Throws a `TypeError` for what is no `RequestKey`. */
export function requestKeyOption(key: RequestKey): (rpc: PickInfo) => string | undefined {
  if (typeof key === "function") return key;
  if (typeof key !== "object" || key === null) {
    throw new TypeError(`key: expected { header }, { contextValue } or a function of the RPC, got ${String(key)}`);
  }
  checkKeys("key", key, ["header", "contextValue"]);
  if (Object.keys(key).length !== 1) throw new TypeError("key: expected one of header and contextValue");
  return "header" in key ? headerKey(key.header) : contextKey(key.contextValue);
}

function headerKey(header: string): (rpc: PickInfo) => string | undefined {
  const name = String(header).toLowerCase();
  if (typeof header !== "string" || !token.test(name)) {
    throw new TypeError(`key.header: expected the name of a header, got ${JSON.stringify(header)}`);
  }
  if (name.endsWith("-bin")) throw new TypeError(`key.header: ${name} is binary, and gRPC hashes no such header`);
  return (rpc) => rpc.header?.(name);
}

function contextKey(key: RequestContextKey): (rpc: PickInfo) => string | undefined {
  if (typeof key !== "object" || key === null || typeof key.id !== "symbol") {
    throw new TypeError(`key.contextValue: expected a context key, got ${String(key)}`);
  }
  return ({ contextValues }) => (contextValues === undefined ? key.defaultValue : contextValues.get(key));
}
