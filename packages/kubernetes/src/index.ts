export { kubernetes } from "./kubernetes.ts";
export type { KubernetesOptions } from "./options.ts";
export type { ApiAccess, ApiServer } from "./api/api-server.ts";
export { type InClusterOptions, inCluster } from "./api/in-cluster.ts";
export { type KubeconfigOptions, kubeconfig } from "./api/kubeconfig.ts";
export { type ApiServerAtOptions, apiServerAt } from "./api/api-server-at.ts";
export { ApiError } from "./api/api-error.ts";
export type {
  EndpointConditions,
  EndpointHints,
  EndpointSlice,
  ObjectMeta,
  ObjectReference,
  SliceEndpoint,
  SlicePort,
} from "./api/endpoint-slice.ts";
