export type { Clock, Random, Timer, TimerOptions } from "./clock.ts";
export type {
  CloseCause,
  ConnectionChange,
  ConnectionEvent,
  ConnectionSnapshot,
  ConnectionState,
  NoticeOutcome,
  RetireCause,
} from "./connection/connection.ts";
export type { ConnectionTotals } from "./connection/connections.ts";
export { connectionChannel } from "./events.ts";
export type { ManageableServer } from "./intake/intake.ts";
export { acceptH2c } from "./accept-h2c.ts";
export { drainingSignal, podHeader, streamAgeSignal } from "./interceptor.ts";
export type { Lifecycle, LifecycleSnapshot, Phase, ShutdownOptions } from "./lifecycle.ts";
export type { ChangeableOptions, LifecycleOptions } from "./options.ts";
export { createLifecycle, manageConnections } from "./server-lifecycle.ts";
export {
  type ProbeHandler,
  type ProbeHandlerOptions,
  type ProbedLifecycle,
  type ProbeOptions,
  type ProbeRequest,
  type ProbeResponse,
  type ProbeServer,
  probeHandler,
  type ServeProbesOptions,
  serveProbes,
} from "./probes.ts";
