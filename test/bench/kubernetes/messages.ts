/** What the API server is started with. */
export interface ApiJob {
  readonly endpoints: number;
  readonly slices: number;
}

/** How the API server is reached, and the port of every endpoint. */
export interface ApiReady {
  readonly kind: "ready";
  readonly port: number;
  readonly url: string;
  readonly token: string;
  readonly ca: string;
}

/** What it is asked: to change one endpoint. */
export interface ChangeOrder {
  readonly ready: boolean;
}

export interface Changed {
  readonly kind: "changed";
  /** When it was, in nanoseconds of the machine's monotonic clock. */
  readonly at: string;
}
