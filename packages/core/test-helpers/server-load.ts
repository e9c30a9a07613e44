import type { ServerLoad } from "../src/load/server-load.ts";

/** A report; what is not given is 0, or empty. */
export function serverLoad(init: Partial<ServerLoad> = {}): ServerLoad {
  return {
    cpuUtilization: 0,
    memUtilization: 0,
    applicationUtilization: 0,
    rps: 0,
    eps: 0,
    requestCost: {},
    utilization: {},
    namedMetrics: {},
    ...init,
  };
}
