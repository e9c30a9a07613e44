import type { Clock } from "../clock.ts";
import type { Endpoint } from "../endpoint/endpoint.ts";
import type { Candidate } from "../load/candidate.ts";
import type { Picker } from "../picker/picker.ts";
import type { Random } from "../random.ts";

/** What a policy may use. */
export interface PolicyContext {
  /** For its `now()`: a policy sets no timers. */
  readonly clock: Clock;
  readonly random: Random;
  /** The whole set, also those without a ready connection. */
  readonly endpoints: readonly Endpoint[];
  /** All with a ready connection, where a decorator holds some back; default: all that the policy gets. */
  readonly ready?: readonly Candidate[];
  /** When the last set ended, where nothing was ready since: by the clock. */
  readonly emptySince?: number;
  /** A candidate's share of the load relative to the others, above 0: its endpoint's weight, less while it warms up. */
  weightOf(candidate: Candidate): number;
}

/**
 * Makes the picker for a set of ready endpoints.
 *
 * `previous` is the picker that this policy made before, so that what it counted or learnt carries over; `candidates`
 * has at least one element, in an order that keeps the place of those that stay.
 */
export type Policy = <C extends Candidate>(
  previous: Picker<C> | undefined,
  candidates: readonly [C, ...C[]],
  context: PolicyContext,
) => Picker<C>;
