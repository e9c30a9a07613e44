import type { Candidate } from "../load/candidate.ts";
import type { Picker } from "../picker/picker.ts";

/**
 * Makes the picker for a set of ready connections.
 *
 * `previous` is the picker that this policy made before, so that what it counted or learnt carries over; `candidates`
 * has at least one element, in an order that keeps the place of those that stay.
 */
export type Policy = <C extends Candidate>(
  previous: Picker<C> | undefined,
  candidates: readonly [C, ...C[]],
) => Picker<C>;
