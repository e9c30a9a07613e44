import type { ClientName, Method, NetworkName, PolicyName, Protocol, ResolverName, ScenarioName } from "./options.ts";

/** What `--json` prints. */
export interface DemoResult {
  readonly runs: readonly RunResult[];
}

/** What one scenario came to. `…Ms` are milliseconds; those of a moment count from the start of the load. */
export interface RunResult {
  readonly scenario: ScenarioName;
  readonly client: ClientName;
  readonly protocol: Protocol;
  readonly method: Method;
  /** `null` for a client that has none. */
  readonly policy: PolicyName | null;
  /** `null` for a client that has none. */
  readonly resolver: ResolverName | null;
  readonly network: NetworkName;
  readonly rpcs: number;
  readonly ok: number;
  readonly failed: number;
  /** Failed RPCs by status code. */
  readonly errors: Readonly<Record<string, number>>;
  /** The first few different messages of failed RPCs. */
  readonly messages: readonly string[];
  /**
   * Streams whose HEADERS were written, and that were not answered, on connections when these were lost. Stock clients
   * do not tell: 0. With grpc-js, which does not tell either, the RPCs that were at a pod when the first failed there.
   */
  readonly inFlightAtLoss: number;
  readonly elapsedMs: number;
  /** The longest gap between two completions. */
  readonly stallMs: number;
  /** RPCs that succeeded, by the pod that the response names; 0 for pods that answered none. */
  readonly perPod: Readonly<Record<string, number>>;
  /** Of all RPCs, also those that failed, from the moment at which each was due. */
  readonly latencyMs: Latency;
  readonly events: readonly RunEvent[];
  /** Pods that became ready during the load. */
  readonly newPods: Readonly<Record<string, NewPod>>;
  /** `null` when no pod froze. */
  readonly freeze: Freeze | null;
  /** Connections that were open at the end of the load. */
  readonly connections: Readonly<Record<string, number>>;
}

export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface RunEvent {
  readonly atMs: number;
  readonly kind: "started" | "ready" | "frozen" | "thawed" | "terminating" | "killed" | "exited";
  readonly pod: string;
  /** RPCs that had completed before it. */
  readonly rpcsBefore: number;
}

/** A pod that stopped answering, and went on later. */
export interface Freeze {
  readonly pod: string;
  readonly atMs: number;
  /** `null` when it did not go on. */
  readonly forMs: number | null;
  /** Of RPCs that other pods answered, due before the freeze or later than 1 s after it; not in the load's first second. */
  readonly othersUndisturbedMs: Latency;
  /** Of RPCs that other pods answered, due during the freeze. */
  readonly othersDuringMs: Latency;
  /** The latter's p99 by the former's; `null` when other pods answered nothing. */
  readonly othersP99Ratio: number | null;
  /** Attempts that the pod was given in the first 2 s of the freeze. */
  readonly earlyPicks: number;
  /** Attempts that the pod was given later than 2 s after it froze, and before it went on. */
  readonly latePicks: number;
  /** RPCs that the pod answered when it went on. */
  readonly waited: number;
}

export interface NewPod {
  readonly readyAtMs: number;
  /** From being ready to the first answer; `null` without one. */
  readonly firstRpcMs: number | null;
  /** From being ready until it answered, within a second, 80 % of what the mean pod did; `null` if it never did. */
  readonly fairShareMs: number | null;
}
