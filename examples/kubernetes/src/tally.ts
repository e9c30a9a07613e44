import { Code, ConnectError } from "@connectrpc/connect";

/** What became of the RPCs since the last report. */
export interface Report {
  readonly ok: number;
  readonly failed: number;
  /** Percent of the successful RPCs, by the pod that answered. */
  readonly shares: Readonly<Record<string, number>>;
  /** Failed RPCs by status code, and what the last one said; only where there are any. */
  readonly errors?: Readonly<Record<string, number>>;
  readonly lastError?: string;
}

/** Counts RPCs by the pods that answered them. */
export class Tally {
  #perPod = new Map<string, number>();
  #errors = new Map<string, number>();
  #lastError = "";

  succeeded(pod: string): void {
    this.#perPod.set(pod, (this.#perPod.get(pod) ?? 0) + 1);
  }

  failed(cause: unknown): void {
    const error = ConnectError.from(cause);
    const code = Code[error.code];
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1);
    this.#lastError = error.message;
  }

  /** What was counted; the count begins anew. */
  take(): Report {
    const ok = sum(this.#perPod);
    const failed = sum(this.#errors);
    const shares = [...this.#perPod]
      .sort()
      .map(([pod, count]) => [pod, Math.round((count / ok) * 1_000) / 10] as const);
    const errors = { errors: Object.fromEntries(this.#errors), lastError: this.#lastError };
    this.#perPod = new Map();
    this.#errors = new Map();
    return { ok, failed, shares: Object.fromEntries(shares), ...(failed === 0 ? {} : errors) };
  }
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}
