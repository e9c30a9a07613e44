/** What a server tells of itself with a response: ORCA's report, `xds.data.orca.v3.OrcaLoadReport` (gRFC A51). */
export interface ServerLoad {
  /** Share of the CPU in use; above 1 where more is used than was granted. */
  readonly cpuUtilization: number;
  readonly memUtilization: number;
  /** The application's own measure; above 1 where it is overloaded. */
  readonly applicationUtilization: number;
  /** RPCs per second. */
  readonly rps: number;
  /** Failures per second. */
  readonly eps: number;
  readonly requestCost: Readonly<Record<string, number>>;
  readonly utilization: Readonly<Record<string, number>>;
  readonly namedMetrics: Readonly<Record<string, number>>;
}
