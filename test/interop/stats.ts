/** What a listener of a server saw since it was last reset. */
export interface Stats {
  /** Charges that ran, also those that ran twice. */
  charges: number;
  /** Different payloads among them. */
  unique: number;
  /** RPCs that came with a deadline. */
  deadlines: number;
  /** RPCs that were given up while their handler worked. */
  cancelled: number;
}
