import type { FakeClock } from "@evenkeel/testing";
import type { Outcome } from "../src/outcome/outcome.ts";
import type { Picker } from "../src/picker/picker.ts";
import { type LoadedCandidate, pick } from "./candidates.ts";

export interface Traffic {
  readonly clock: FakeClock;
  /** The picker of the moment. */
  readonly picker: () => Picker<LoadedCandidate>;
  /** RPCs a second, evenly spaced. */
  readonly rps: number;
  readonly forMs: number;
  /** What becomes of an RPC; it takes as long as its outcome says. */
  readonly serve: (candidate: LoadedCandidate) => Outcome;
  /** An RPC ended. */
  readonly ended?: (candidate: LoadedCandidate, outcome: Outcome) => void;
}

/** Sends RPCs for a while. Those that are under way at its end stay so until the clock moves on. */
export function runTraffic({ clock, picker, rps, forMs, serve, ended }: Traffic): void {
  const until = clock.now() + forMs;
  while (clock.now() < until) {
    const candidate = pick(picker());
    const outcome = serve(candidate);
    candidate.inFlight++;
    clock.setTimeout(() => {
      candidate.inFlight--;
      picker().report?.(candidate, outcome);
      ended?.(candidate, outcome);
    }, outcome.durationMs);
    clock.tick(1_000 / rps);
  }
}
