import { type Cluster, describeExit } from "@evenkeel/testing";

interface PodLife {
  killedAt: number | undefined;
  terminating: boolean;
  /** Since when it is frozen. */
  frozenAt: number | undefined;
  readonly freezes: { readonly fromMs: number; readonly toMs: number }[];
}

/** A pod's connections may outlive it by so much, in milliseconds, until the client has read of their end. */
const newsMs = 1_000;

/** What was done to every pod, so that failures can be explained. */
export class PodHistory {
  readonly #pods = new Map<string, PodLife>();

  /** `onFault` is told of ends that nobody asked for. */
  watch(cluster: Cluster, onFault: (fault: string) => void): () => void {
    return cluster.on((event) => {
      const { name, output } = event.pod;
      const life = this.#life(name);
      switch (event.kind) {
        case "killed":
          if (life.terminating) onFault("a pod that was told to stop had to be killed");
          life.killedAt = event.at;
          break;
        case "frozen":
          life.frozenAt = event.at;
          break;
        case "thawed":
          if (life.frozenAt !== undefined) life.freezes.push({ fromMs: life.frozenAt, toMs: event.at });
          life.frozenAt = undefined;
          break;
        case "terminating":
          life.terminating = true;
          break;
        case "exited": {
          const { exit } = event;
          const isOrderly = life.terminating && exit.kind === "code" && exit.code === 0;
          if (life.killedAt === undefined && !isOrderly) {
            onFault(`a pod ${describeExit(exit)} by itself; it wrote: ${output.trim() || "nothing"}`);
          }
          break;
        }
      }
    });
  }

  /** Whether the pod was killed while a call was under way, or so shortly before that its connections still stood. */
  wasKilled(pod: string, fromMs: number, toMs: number): boolean {
    const killedAt = this.#pods.get(pod)?.killedAt;
    return killedAt !== undefined && killedAt >= fromMs - newsMs && killedAt <= toMs;
  }

  /** Whether the pod was frozen for at least `ms`, and some of that in the given time. */
  wasFrozen(pod: string, fromMs: number, toMs: number, ms: number): boolean {
    const life = this.#pods.get(pod);
    if (life === undefined) return false;
    const now = { fromMs: life.frozenAt ?? Number.POSITIVE_INFINITY, toMs };
    return [...life.freezes, now].some((freeze) => {
      return freeze.fromMs <= toMs && freeze.toMs >= fromMs - newsMs && freeze.toMs - freeze.fromMs >= ms;
    });
  }

  #life(pod: string): PodLife {
    let life = this.#pods.get(pod);
    if (life === undefined) {
      life = { killedAt: undefined, terminating: false, frozenAt: undefined, freezes: [] };
      this.#pods.set(pod, life);
    }
    return life;
  }
}
