import type { Cluster } from "@evenkeel/testing";
import type { PolicyName } from "../options.ts";

/** Something that happens to a cluster under load. */
export interface Scenario {
  /** Pods at the start. */
  readonly pods: number;
  /** Callers of the closed loop, unless the user says how many. */
  readonly callers: number;
  /** Unless the user chooses one. */
  readonly policy: PolicyName;
  /** Makes it happen. Resolves when it is over; the load goes on until that has settled. */
  play(stage: Stage): Promise<void>;
}

/** What a scenario acts upon, and what it waits for. */
export interface Stage {
  readonly cluster: Cluster;
  /** Resolves when this fraction of the load has been done. */
  progress(fraction: number): Promise<void>;
  /** Resolves after this time. */
  passed(ms: number): Promise<void>;
  /** Resolves when every new pod has its fair share, or has not got it for seconds. */
  fairShares(): Promise<void>;
  /** The pod that answered the most RPCs so far. */
  busiestPod(): string;
}
