/** How soon a client learns of slices, from a pretend API server. */
export interface SliceCase {
  readonly name: "slice-to-pick" | "slice-sync";
  readonly endpoints: number;
  readonly slices: number;
  /** Changes of one endpoint, half of which take it away, half bring it back. */
  readonly updates: number;
  /** Each with a channel of its own. */
  readonly rounds: number;
}

export const sliceCases: readonly SliceCase[] = [
  { name: "slice-to-pick", endpoints: 10, slices: 1, updates: 100, rounds: 5 },
  { name: "slice-sync", endpoints: 5_000, slices: 50, updates: 20, rounds: 3 },
];

/** In milliseconds; medians. */
export const sliceTargets = { initialSync: 500, update: 20 } as const;

/** The most dials under way at a time. */
export const dialCap = 32;
