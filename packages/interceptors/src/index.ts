export {
  type ConcurrencyLimit,
  type ConcurrencyLimitOptions,
  type ConcurrencyLimitSnapshot,
  concurrencyLimit,
} from "./concurrency-limit/concurrency-limit.ts";
export { type DeadlineOptions, deadline } from "./deadline/deadline.ts";
export { type PropagateDeadlineOptions, propagateDeadline } from "./deadline/propagate-deadline.ts";
export { withoutDeadline } from "./deadline/incoming-call.ts";
export { type LoadReportOptions, loadReport, loadReportTrailer } from "./load-report/load-report.ts";
export { type LoadRecorder, loadRecorder } from "./load-report/load-recorder.ts";
export { type PodIdentityOptions, podHeader, podIdentity } from "./pod-identity.ts";
export { type OrcaLoadReport, OrcaLoadReportSchema } from "./gen/xds/data/orca/v3/orca_load_report_pb.ts";
