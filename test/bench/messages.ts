import type { AnswerName, Operation } from "./cases.ts";
import type { ClientName, Protocol } from "./clients/table.ts";
import type { ApiReady, Changed } from "./kubernetes/messages.ts";
import type { PickTimes } from "./pick/messages.ts";
import type { Driven, Usage } from "./server-cost/messages.ts";

/** One port for each protocol, the same on all hosts. */
export type Ports = Readonly<Record<Protocol, number>>;

/** What a program of the benchmark is started with, as its one argument in JSON. */
export interface ServerJob {
  readonly answer: AnswerName;
}

export interface ProxyJob {
  readonly to: Ports;
  readonly addedMs: number;
}

export interface ClientJob {
  readonly client: ClientName;
  readonly operation: Operation;
  readonly answer: AnswerName;
  readonly port: number;
}

/** What a server or a proxy says once it listens, and a client once it can be told to run. */
export interface Ready {
  readonly kind: "ready";
  readonly ports?: Ports;
  /** Of a server that has one. */
  readonly port?: number;
}

export interface RunRound {
  readonly concurrency: number;
  readonly ms: number;
  /** It goes on until the process has had so much CPU time, within limits. */
  readonly cpuMs: number;
}

/** What a client saw of a round. */
export interface Round {
  readonly kind: "round";
  readonly rpcs: number;
  /** RPCs, or messages where the case counts them. */
  readonly units: number;
  readonly elapsedMs: number;
  /** User and system time of the whole process. */
  readonly cpuUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** Why a program cannot go on. It ends after that. */
export interface Failed {
  readonly kind: "failed";
  readonly reason: string;
}

export type Reply = Ready | ApiReady | Round | Usage | Driven | Changed | PickTimes | Failed;
