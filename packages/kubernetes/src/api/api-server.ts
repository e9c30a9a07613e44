import type { RequestOptions } from "node:https";

/** How an API server is reached, and as whom. Made by `inCluster`, `kubeconfig` and `apiServerAt`. */
export interface ApiServer {
  /** The same key is the same server and identity: Services that are watched there are watched once. */
  readonly key: string;
  /**
   * What the next request is sent with; asked for each, so that rotated credentials count. Rejects with an `Error` that
   * says what is missing and what to do.
   */
  access(): Promise<ApiAccess>;
  /** The server did not accept what `access` gave (401): what was kept of it is worth nothing. */
  refused?(): void;
}

/** What a request to an API server is sent with. */
export interface ApiAccess {
  /** `http:` or `https:`, with the path below which the API is, if any. */
  readonly url: URL;
  readonly options: Pick<
    RequestOptions,
    "agent" | "auth" | "ca" | "cert" | "headers" | "key" | "passphrase" | "pfx" | "rejectUnauthorized" | "servername"
  >;
  /** The namespace of whoever asks, where that is known. */
  readonly namespace: string | undefined;
}
