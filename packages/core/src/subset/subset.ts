import { hostname } from "node:os";
import type { Endpoint } from "../endpoint/endpoint.ts";
import { numberOption, typeOption } from "../options.ts";

/** Chooses the endpoints that this client connects to. Those that are chosen keep their order. */
export type Subset = (endpoints: readonly Endpoint[]) => readonly Endpoint[];

/** Throws a `TypeError` or `RangeError`. */
export function sizeOption(size: number): number {
  return numberOption("size", size, { min: 1, max: 1_000_000, integer: true });
}

/**
 * Who this client is among the clients of a service: the environment's `POD_NAME`, else name of the machine and number
 * of the process, as several processes of one machine are several clients. Throws a `TypeError`.
 */
export function clientIdOption(clientId: string | undefined): string {
  if (clientId === undefined) return process.env["POD_NAME"] || `${hostname()}-${process.pid}`;
  if (typeOption("clientId", clientId, "string") === "") throw new TypeError("clientId: expected a name, got none");
  return clientId;
}

/** An endpoint with its place in an order. */
export interface Ranked {
  readonly endpoint: Endpoint;
  readonly rank: number;
}

/** By rank; the few that have the same by their keys, so that every client has the same order. */
export function byRank(a: Ranked, b: Ranked): number {
  return a.rank - b.rank || (a.endpoint.key < b.endpoint.key ? -1 : 1);
}
