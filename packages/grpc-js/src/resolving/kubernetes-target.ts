import { checkKeys } from "@evenkeel/core";
import { type KubernetesOptions, kubernetes } from "@evenkeel/kubernetes";
import { malformed, onlyPath, type TargetType, textOf } from "./target-type.ts";

const wanted = '"kubernetes:///svc.ns:port", the port a name, a number or left out';

/** As gRPC has it for names without a port; it is dialled only where the EndpointSlices name no port at all. */
const defaultPort = 443;

/** The other options of `kubernetes()` are what the target says. */
export type KubernetesTargetOptions = Pick<KubernetesOptions, "apiServer" | "zone">;

/**
 * `kubernetes:///svc.ns:port`: the pods of a Service. Also `svc`, in this pod's namespace, and the longer names of a
 * cluster's DNS. Throws a `TypeError` that names a bad option.
 */
export function kubernetesTarget(options: KubernetesTargetOptions = {}): TargetType {
  checkKeys("kubernetes", options, ["apiServer", "zone"]);
  if (Object.keys(options).length > 0) kubernetes(options); // throws what is wrong
  return {
    scheme: "kubernetes",
    parse(uri) {
      const [, host, port] = /^([^:/\s]+)(?::([^:/\s]+))?$/.exec(onlyPath(uri, wanted)) ?? [];
      if (host === undefined) throw malformed(wanted);
      const number = port !== undefined && /^\d+$/.test(port) ? Number(port) : undefined;
      return {
        target: {
          text: textOf(uri),
          scheme: "http",
          host,
          port: number ?? defaultPort,
          authority: number === undefined ? host : `${host}:${port}`, // a name is no port of an authority
        },
        resolver: () => kubernetes(port === undefined ? options : { ...options, port }),
      };
    },
  };
}
