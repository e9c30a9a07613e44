import type { ContextKey } from "@connectrpc/connect";

/**
 * Where a handler tells what its RPC cost: `context.values.get(loadRecorder).requestCost("db", 2)`. The last value of a
 * name counts. Values that their metric does not know are left out, as in gRFC A51: a number that is not finite, a
 * utilisation that is not from 0 to 1. Names travel with every response: few and short ones are cheap.
 */
export interface LoadRecorder {
  /** What this RPC cost, in a unit of one's own. */
  requestCost(name: string, value: number): void;
  /** Anything else; clients of xDS add them up for the load report of a locality (gRFC A64). */
  namedMetric(name: string, value: number): void;
  /** How much of a resource is in use, from 0 to 1. */
  utilization(name: string, value: number): void;
}

/** As fields of the report. */
export interface RecordedFields {
  readonly requestCost: Record<string, number>;
  readonly namedMetrics: Record<string, number>;
  readonly utilization: Record<string, number>;
}

/** What a handler recorded. */
export class RecordedLoad implements LoadRecorder {
  #fields: RecordedFields | undefined;

  /** `undefined` where nothing was recorded. */
  get fields(): RecordedFields | undefined {
    return this.#fields;
  }

  requestCost(name: string, value: number): void {
    if (Number.isFinite(value)) this.#make().requestCost[name] = value;
  }

  namedMetric(name: string, value: number): void {
    if (Number.isFinite(value)) this.#make().namedMetrics[name] = value;
  }

  utilization(name: string, value: number): void {
    if (value >= 0 && value <= 1) this.#make().utilization[name] = value;
  }

  #make(): RecordedFields {
    this.#fields ??= { requestCost: {}, namedMetrics: {}, utilization: {} };
    return this.#fields;
  }
}

/** The recorder of an RPC. Without a `loadReport()` it takes values, and nothing comes of them. */
export const loadRecorder: ContextKey<LoadRecorder> = {
  id: Symbol("evenkeel.load-recorder"),
  defaultValue: { requestCost() {}, namedMetric() {}, utilization() {} },
};
