import { create } from "@bufbuild/protobuf";
import { encodeBinaryHeader } from "@connectrpc/connect";
import type { Clock } from "@evenkeel/core";
import { OrcaLoadReportSchema } from "../gen/xds/data/orca/v3/orca_load_report_pb.ts";
import type { RecordedFields } from "./load-recorder.ts";
import type { Usage } from "./process-usage.ts";

export interface ServerLoadInit {
  readonly clock: Pick<Clock, "now">;
  readonly intervalMs: number;
  /** From 0; else the event loop's utilisation. */
  readonly applicationUtilization: (() => number) | undefined;
  readonly usage: { measure(elapsedMs: number): Usage };
}

interface Figures {
  readonly cpuUtilization: number;
  readonly memUtilization: number;
  readonly applicationUtilization: number;
  readonly rpsFractional: number;
  readonly eps: number;
}

/** What a server does, sampled when it is asked for, once per interval at most: an idle server has no timer. */
export class ServerLoad {
  readonly #init: ServerLoadInit;
  #sampledMs: number;
  #ended = 0;
  #failed = 0;
  /** All 0, which in a report is the same as not known, until the first interval is over. */
  #figures: Figures = { cpuUtilization: 0, memUtilization: 0, applicationUtilization: 0, rpsFractional: 0, eps: 0 };
  #encoded: string | undefined;

  constructor(init: ServerLoadInit) {
    this.#init = init;
    this.#sampledMs = init.clock.now();
  }

  /** An RPC ended. */
  count(isFailure: boolean): void {
    this.#ended++;
    if (isFailure) this.#failed++;
  }

  /** The report as the value of a binary header. */
  report(recorded: RecordedFields | undefined): string {
    this.#sampleIfDue();
    if (recorded !== undefined) return encode({ ...this.#figures, ...recorded });
    this.#encoded ??= encode(this.#figures);
    return this.#encoded;
  }

  #sampleIfDue(): void {
    const { clock, intervalMs, usage, applicationUtilization } = this.#init;
    const nowMs = clock.now();
    const elapsedMs = nowMs - this.#sampledMs;
    if (elapsedMs < intervalMs) return;
    const { cpu, memory, eventLoop } = usage.measure(elapsedMs);
    this.#figures = {
      cpuUtilization: cpu,
      memUtilization: memory,
      applicationUtilization: applicationUtilization === undefined ? eventLoop : known(applicationUtilization()),
      rpsFractional: (this.#ended * 1_000) / elapsedMs,
      eps: (this.#failed * 1_000) / elapsedMs,
    };
    this.#encoded = undefined;
    this.#sampledMs = nowMs;
    this.#ended = 0;
    this.#failed = 0;
  }
}

/** 0, which is not known, for what is no utilisation. */
function known(utilization: number): number {
  return utilization >= 0 && utilization < Number.POSITIVE_INFINITY ? utilization : 0;
}

function encode(fields: Figures & Partial<RecordedFields>): string {
  return encodeBinaryHeader(create(OrcaLoadReportSchema, fields), OrcaLoadReportSchema);
}
