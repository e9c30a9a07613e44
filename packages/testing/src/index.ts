export { FakeClock } from "./fake-clock.ts";
export { seededRandom } from "./seeded-random.ts";
export { ScriptedConnector, type ScriptedConnectorOptions } from "./scripted-connector.ts";
export { ScriptedConnection, type ScriptedSettings } from "./scripted-connection.ts";
export { type ScriptedBreak, type ScriptedResponse, ScriptedStream } from "./scripted-stream.ts";
export type {
  ClusterNetwork,
  ClusterOptions,
  CommandPod,
  LaggingNetwork,
  LoopbackNetwork,
  ModulePod,
  PodTemplate,
} from "./cluster/options.ts";
export { canLag, type LagSupport } from "./network/machine.ts";
export { type Cluster, startCluster } from "./cluster/cluster.ts";
export {
  type ClusterEvent,
  describeExit,
  type Pod,
  type PodChange,
  type PodExit,
  type PodPhase,
} from "./cluster/pod.ts";
export type { ClusterDns, ClusterDnsOptions, DnsFailure } from "./cluster/dns-server.ts";
export type { VirtualIp, VirtualIpOptions } from "./cluster/virtual-ip.ts";
export { type ApiOutage, type PretendApiServer, startApiServer } from "./api-server/api-server.ts";
export type { ApiServerOptions } from "./api-server/options.ts";
export type { ClusterApiServer, ClusterApiServerOptions } from "./api-server/cluster-api-server.ts";
export type { ServiceObject, ServiceObjectSpec } from "./api-server/objects.ts";
export type { ServiceAccount } from "./api-server/credentials.ts";
export type { ApiFault, ApiRequestFilter, ApiVerb } from "./api-server/faults.ts";
export type { ApiResource } from "./api-server/resource.ts";
export type { ApiRequest } from "./api-server/request-log.ts";
export type { ApiWatch } from "./api-server/watch.ts";
export type { ApiWatchEnd } from "./api-server/running-watches.ts";
