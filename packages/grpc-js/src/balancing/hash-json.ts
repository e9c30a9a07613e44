import type { HashOptions } from "@evenkeel/core";
import { type Field, integer, text, type Values } from "./json-fields.ts";

/** No interface: those have no index signature. */
export type HashFields = {
  readonly requestHashHeader: Field<string>;
  readonly hashBalanceFactor: Field<number>;
};

/** What the metadata of gRPC may be called. */
const headerName = text("the name of a header", /^[0-9a-z_.-]+$/i);

/** What `ring_hash` and `maglev` share: gRFC A76's `requestHashHeader` and Envoy's `hashBalanceFactor`, in percent. */
export const hashFields: HashFields = {
  requestHashHeader(value, path) {
    const name = value === "" ? missing(path) : headerName(value, path);
    if (!name.toLowerCase().endsWith("-bin")) return name;
    throw new TypeError(`${path}: ${name} is binary, and gRPC hashes no such header`);
  },
  hashBalanceFactor: integer({ min: 105, max: 10_000 }),
};

/** Throws a `TypeError` without a header: gRFC A76 would have each RPC fail, as there is no xDS that says what to hash. */
export function hashOptions({ requestHashHeader, hashBalanceFactor }: Values<HashFields>): HashOptions {
  const key = { header: requestHashHeader ?? missing("requestHashHeader") };
  return hashBalanceFactor === undefined ? { key } : { key, loadFactor: hashBalanceFactor / 100 };
}

function missing(path: string): never {
  throw new TypeError(`${path}: expected the name of a header, got none; nothing else says what to hash`);
}
