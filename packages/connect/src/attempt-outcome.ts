import { decodeBinaryHeader } from "@connectrpc/connect";
import type { HeaderList, Outcome, ServerLoad, StatusCode, StreamEnd, StreamFate } from "@evenkeel/core";
import { OrcaLoadReportSchema } from "./gen/xds/data/orca/v3/orca_load_report_pb.ts";
import { headerValue } from "./headers.ts";

const podHeader = "x-evenkeel-pod";
const loadTrailer = "endpoint-load-metrics-bin";
const refusedStream = 7;

/** What servers say in a response besides its message. */
export interface ResponseFields {
  readonly header: HeaderList;
  readonly trailer: HeaderList;
}

/** What is told of an attempt. What servers say of themselves is looked up when somebody asks. */
export class AttemptOutcome implements Outcome {
  readonly code: StatusCode;
  readonly fate: StreamFate;
  readonly firstByteMs: number | undefined;
  readonly durationMs: number;
  readonly #end: StreamEnd | undefined;
  readonly #fields: ResponseFields;
  #load: { readonly report: ServerLoad | undefined } | undefined;

  /** `end` is `undefined` while the stream is open. */
  constructor(
    code: StatusCode,
    end: StreamEnd | undefined,
    firstByteMs: number | undefined,
    durationMs: number,
    fields: ResponseFields,
  ) {
    this.code = code;
    this.fate = fateOf(end, firstByteMs);
    this.firstByteMs = firstByteMs;
    this.durationMs = durationMs;
    this.#end = end;
    this.#fields = fields;
  }

  get isRefused(): boolean {
    return this.fate === "unprocessed" && this.#end?.kind === "broken" && this.#end.errorCode === refusedStream;
  }

  get podName(): string | undefined {
    const { header, trailer } = this.#fields;
    return headerValue(header, podHeader) ?? headerValue(trailer, podHeader);
  }

  get load(): ServerLoad | undefined {
    // an answer without a body has its trailers in its headers
    this.#load ??= { report: readLoad(this.#fields.trailer) ?? readLoad(this.#fields.header) };
    return this.#load.report;
  }
}

function fateOf(end: StreamEnd | undefined, firstByteMs: number | undefined): StreamFate {
  if (end === undefined) return firstByteMs === undefined ? "ambiguous" : "answered";
  return end.kind === "complete" ? "answered" : end.fate;
}

/** What cannot be read, or cannot be, is no report: a server's mistake is to harm nobody. */
function readLoad(fields: HeaderList): ServerLoad | undefined {
  const text = headerValue(fields, loadTrailer);
  if (text === undefined) return undefined;
  try {
    const { rpsFractional: rps, ...report } = decodeBinaryHeader(text, OrcaLoadReportSchema);
    const { cpuUtilization, memUtilization, applicationUtilization, eps, requestCost, utilization, namedMetrics } =
      report;
    if (![cpuUtilization, memUtilization, applicationUtilization, rps, eps].every(isAmount)) return undefined;
    return {
      cpuUtilization,
      memUtilization,
      applicationUtilization,
      rps,
      eps,
      requestCost,
      utilization,
      namedMetrics,
    };
  } catch {
    return undefined;
  }
}

function isAmount(value: number): boolean {
  return value >= 0 && value < Number.POSITIVE_INFINITY;
}
