import type { ClientName } from "./cells.ts";

/** What a client is started with, as its one argument in JSON. */
export interface ClientJob {
  readonly client: ClientName;
  readonly tls: boolean;
  /** The headless Service: its name, its port, and the DNS server that knows the name. */
  readonly host: string;
  readonly port: number;
  readonly dns: string;
  /** The port of the virtual IP, on 127.0.0.1. */
  readonly virtualPort: number;
  /** So many RPCs are under way at any time. */
  readonly concurrency: number;
  /** At least so many RPCs. */
  readonly rpcs: number;
  /** The key of the first RPC; the others count from it. */
  readonly firstKey: number;
}

/** `run`: begin. `finish`: begin no more RPCs than are owed, and report. */
export type Order = "run" | "finish";

/** An RPC that failed, or was answered with what another asked for. */
export interface Loss {
  readonly key: number;
  readonly message: string;
}

export interface ClientReport {
  readonly kind: "report";
  readonly rpcs: number;
  readonly losses: readonly Loss[];
  /** Errors that no caller was told of. */
  readonly uncaught: readonly string[];
}

/** `enough`: as many RPCs as were asked for have settled; more follow until `finish`. */
export type Reply =
  | { readonly kind: "ready" }
  | { readonly kind: "enough" }
  | ClientReport
  | { readonly kind: "failed"; readonly reason: string };
