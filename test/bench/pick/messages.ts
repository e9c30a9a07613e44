/** What a program that measures picks is started with. */
export interface PickJob {
  /** Of a policy, or of the channel. */
  readonly name: string;
}

/** What it is asked. */
export interface PickOrder {
  readonly endpoints: number;
  readonly rounds: number;
}

/** Medians of the rounds, in nanoseconds. */
export interface PickTimes {
  readonly kind: "picks";
  readonly nsPerPick: number;
  /** `null`: the policy takes no outcomes. */
  readonly nsPerReport: number | null;
}
