export { register } from "./register.ts";
export type { RegisterOptions } from "./resolving/resolver-types.ts";
export type { KubernetesTargetOptions } from "./resolving/kubernetes-target.ts";
export { type ManageGrpcServerOptions, manageGrpcServer } from "./serving/manage-grpc-server.ts";
export type { GrpcServerLifecycle, GrpcServerLimits } from "./serving/grpc-server-lifecycle.ts";
export type { GrpcJsServer, ManageableGrpcServer, NestGrpcServer, NiceGrpcServer } from "./serving/grpc-server.ts";
export type { HealthImplementation, HealthOptions } from "./serving/health.ts";
