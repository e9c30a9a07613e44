/**
 * What came of an attempt to inject a frame:
 * `written`: the peer gets it, after all frames of the session so far and before all later ones.
 * `busy`: not now, since it could land within a frame, or before the session's first, or the socket is about to close;
 * worth another try while the session lives.
 * `unsupported`: never on this connection, for the given reason.
 */
export type Injection =
  | { readonly kind: "written" }
  | { readonly kind: "busy" }
  | { readonly kind: "unsupported"; readonly reason: string };

/** Writes frames of our own between those of a node:http2 session, behind the session's back. */
export interface Wire {
  inject(frame: Uint8Array): Injection;
}
