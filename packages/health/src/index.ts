// servers
export { createHealthRegistry } from "./server/create-registry.ts";
export type {
  HealthLifecycle,
  HealthPhase,
  HealthRegistry,
  HealthRegistryOptions,
  HealthStatus,
  WatchedStatus,
  WatchOptions,
} from "./server/registry.ts";
export { healthService } from "./server/service.ts";
// clients
export type { HealthCheck, HealthPollCheck, HealthWatchCheck } from "./client/options.ts";
export { type HealthCheckingOptions, healthChecking } from "./client/health-checking.ts";
