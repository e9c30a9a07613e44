import { messageOf, type ResolverFactory, staticEndpoints } from "@evenkeel/core";
import { experimental } from "@grpc/grpc-js";
import { onlyPath, type TargetType, textOf } from "./target-type.ts";

/** `static:///10.0.0.1:8080,[2001:db8::1]:8080,name:8080`: these and no others. TLS verifies all as the first. */
export const staticTarget: TargetType = {
  scheme: "static",
  parse(uri) {
    const addresses = onlyPath(uri, '"static:///host:port,host:port"').split(",");
    const factory = endpointsAt(addresses);
    const authority = addresses[0] ?? "";
    const { host, port = 0 } = experimental.splitHostPort(authority) ?? { host: authority };
    return { target: { text: textOf(uri), scheme: "http", host, port, authority }, resolver: () => factory };
  },
};

function endpointsAt(addresses: readonly string[]): ResolverFactory {
  try {
    return staticEndpoints(addresses);
  } catch (error) {
    throw new TypeError(messageOf(error).replace(" or {host, port}", "")); // a target has no place for objects
  }
}
