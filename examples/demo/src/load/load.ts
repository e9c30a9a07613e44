/** RPCs that are sent until they are stopped. */
export interface Load {
  /** How much of what was asked for has been done: 1 is all of it. It goes on beyond that. */
  readonly progress: number;
  /** Sends no more. Resolves when those under way have completed. */
  stop(): Promise<void>;
}

/** Sends one RPC that was due at a moment of `performance.now()`. Resolves when it has completed; never rejects. */
export type SendDue = (dueAt: number) => Promise<void>;
