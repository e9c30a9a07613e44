export type { Clock, Random, Timer, TimerOptions } from "./clock.ts";
export type {
  CloseCause,
  ConnectionEvent,
  ConnectionSnapshot,
  ConnectionState,
  NoticeOutcome,
  RetireCause,
} from "./connection/connection.ts";
export { connectionChannel } from "./events.ts";
export type { ManageableServer } from "./intake.ts";
export { drainingSignal, podHeader } from "./interceptor.ts";
export type { Lifecycle, LifecycleSnapshot, Phase, ShutdownOptions } from "./lifecycle.ts";
export type { LifecycleOptions } from "./options.ts";
export { createLifecycle, manageConnections } from "./server-lifecycle.ts";
