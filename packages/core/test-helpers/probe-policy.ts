import { StatusCode } from "../src/errors.ts";
import type { Candidate } from "../src/load/candidate.ts";
import type { Outcome } from "../src/outcome/outcome.ts";
import type { Picker } from "../src/picker/picker.ts";
import type { Policy, PolicyContext } from "../src/policy/policy.ts";

/** An RPC that went well. */
export const success: Outcome = { code: StatusCode.ok, fate: "answered", firstByteMs: 1, durationMs: 2 };

/** An RPC that failed, and speaks against its endpoint. */
export const failure: Outcome = { ...success, code: StatusCode.internal };

/** The child of a decorator: picks in turn, and keeps what it was given. */
export interface Probe {
  readonly policy: Policy;
  /** Pickers that it made. */
  readonly made: number;
  /** Pickers that it made without a former one. */
  readonly madeAnew: number;
  readonly candidates: readonly Candidate[];
  readonly context: PolicyContext;
  readonly reports: readonly { readonly key: string; readonly outcome: Outcome }[];
  /** The keys of the candidates it was given, in their order. */
  keys(): string[];
  /** Their weights. */
  weights(): number[];
}

export function probePolicy(): Probe {
  const own = new WeakSet<Picker<Candidate>>();
  const reports: { key: string; outcome: Outcome }[] = [];
  let candidates: readonly Candidate[] = [];
  let context: PolicyContext | undefined;
  let made = 0;
  let madeAnew = 0;
  return {
    policy(previous, given, givenContext) {
      made++;
      if (previous === undefined || !own.has(previous as Picker<Candidate>)) madeAnew++;
      candidates = given;
      context = givenContext;
      let position = 0;
      const picker: Picker<(typeof given)[0]> = {
        pick: () => ({ kind: "complete", candidate: given[position++ % given.length] ?? given[0] }),
        report: ({ endpoint }, outcome) => void reports.push({ key: endpoint.key, outcome }),
      };
      own.add(picker as Picker<Candidate>);
      return picker;
    },
    reports,
    get made() {
      return made;
    },
    get madeAnew() {
      return madeAnew;
    },
    get candidates() {
      return candidates;
    },
    get context() {
      if (context === undefined) throw new Error("the policy was not asked for a picker");
      return context;
    },
    keys: () => candidates.map(({ endpoint }) => endpoint.key),
    weights: () => candidates.map((candidate) => (context as PolicyContext).weightOf(candidate)),
  };
}
