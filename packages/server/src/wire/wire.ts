/**
 * What came of an attempt to inject a frame:
 * `written`: the peer gets it, after all frames of the session so far and before all later ones.
 * `busy`: not now, since it could land within a frame, or before the session's first, or (where that can be seen: over
 * TLS) after the session's own GOAWAY, or the socket is about to close; worth another try while the session lives.
 * `unsupported`: never on this connection, for the given reason.
 */
export type Injection =
  | { readonly kind: "written" }
  | { readonly kind: "busy" }
  | { readonly kind: "unsupported"; readonly reason: string };

/** Writes frames of our own between those of a node:http2 session, behind the session's back. */
export interface Wire {
  /**
   * How many bytes the session has handed down that the kernel has not taken yet; 0 also where node does not tell. Over
   * TLS it is an upper bound, since what is being encrypted and sent is counted more than once.
   *
   * A session hands down more only when all it handed down before is taken. So two looks that find the same number above
   * 0 mean that the kernel took nothing in between: the peer does not read. Any other pair of numbers means progress,
   * unless a frame was injected in between.
   */
  readonly unsentBytes: number;
  inject(frame: Uint8Array): Injection;
}
