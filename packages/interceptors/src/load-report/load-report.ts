import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { type Clock, checkKeys, clockOption, maxTimerMs, numberOption, systemClock, typeOption } from "@evenkeel/core";
import { observeMessages } from "../observed-messages.ts";
import { loadRecorder, RecordedLoad } from "./load-recorder.ts";
import { ProcessUsage, type Usage } from "./process-usage.ts";
import { ServerLoad } from "./server-load.ts";

/** The trailer of a load report, binary (gRFC A51). */
export const loadReportTrailer = "endpoint-load-metrics-bin";

export interface LoadReportOptions {
  /** How often the process is looked at, at most, in milliseconds. From 10. Default 1 000. */
  readonly intervalMs?: number;
  /**
   * What the application calls its utilisation, from 0, above 1 where it is overloaded; asked once per interval. Any
   * other number is left out; what it throws fails the RPC. Default: the utilisation of the event loop, from 0 to 1.
   */
  readonly applicationUtilization?: () => number;
  /** Default: the system's. */
  readonly clock?: Pick<Clock, "now">;
}

/**
 * For servers: tells clients with every RPC how loaded the server is, as an ORCA load report in the trailer
 * `endpoint-load-metrics-bin` (gRFC A51), which weighted policies go by (gRFC A58). It has the utilisation of CPU, memory
 * and event loop, the rate of RPCs and of failures since the last sample, and what handlers put into `loadRecorder`.
 *
 * An RPC that fails with a `ConnectError` has the report in the error's metadata; one that fails with another error, or
 * with one that came from another server, has none. Every failure but `Canceled` counts as one.
 *
 * @throws TypeError or RangeError that names the option and what it allows.
 */
export function loadReport(options: LoadReportOptions = {}): Interceptor {
  return createLoadReport(options, new ProcessUsage());
}

/** With another source of the process's figures. */
export function createLoadReport(
  options: LoadReportOptions,
  usage: { measure(elapsedMs: number): Usage },
): Interceptor {
  checkKeys("loadReport", options, ["intervalMs", "applicationUtilization", "clock"]);
  const { intervalMs = 1_000, applicationUtilization, clock = systemClock } = options;
  numberOption("intervalMs", intervalMs, { min: 10, max: maxTimerMs, unit: "milliseconds" });
  if (applicationUtilization !== undefined) typeOption("applicationUtilization", applicationUtilization, "function");
  const load = new ServerLoad({ clock: clockOption(clock), intervalMs, applicationUtilization, usage });

  const succeeded = (trailer: Headers, recorded: RecordedLoad): void => {
    load.count(false);
    trailer.set(loadReportTrailer, load.report(recorded.fields));
  };
  const failed = (error: unknown, recorded: RecordedLoad): void => {
    load.count(ConnectError.from(error).code !== Code.Canceled);
    if (error instanceof ConnectError) error.metadata.set(loadReportTrailer, load.report(recorded.fields));
  };
  return (next) => async (request) => {
    const recorded = new RecordedLoad();
    request.contextValues.set(loadRecorder, recorded);
    try {
      const response = await next(request);
      if (!response.stream) {
        succeeded(response.trailer, recorded);
        return response;
      }
      const end = (error: unknown, isComplete: boolean): void => {
        if (isComplete) succeeded(response.trailer, recorded);
        else if (error === undefined) load.count(false);
        else failed(error, recorded);
      };
      return { ...response, message: observeMessages(response.message, { end }) };
    } catch (error) {
      failed(error, recorded);
      throw error;
    }
  };
}
