export { FakeClock } from "./fake-clock.ts";
export { seededRandom } from "./seeded-random.ts";
export { ScriptedConnector, type ScriptedConnectorOptions } from "./scripted-connector.ts";
export { ScriptedConnection, type ScriptedSettings } from "./scripted-connection.ts";
export { type ScriptedBreak, type ScriptedResponse, ScriptedStream } from "./scripted-stream.ts";
export type { ClusterOptions, CommandPod, ModulePod, PodTemplate } from "./cluster/options.ts";
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
