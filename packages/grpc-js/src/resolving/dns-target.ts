import { Resolver } from "node:dns";
import { isIPv6 } from "node:net";
import { type DnsOptions, dns } from "@evenkeel/core";
import { experimental } from "@grpc/grpc-js";
import { malformed, type TargetType, textOf } from "./target-type.ts";

const wanted = '"evenkeel-dns:///name:port"';

/** As gRPC has it for names without a port. */
const defaultPort = 443;

/**
 * `evenkeel-dns:///name:port`: every address of the name, by core's `dns()`. The port is 443 where there is none.
 * `evenkeel-dns://10.0.0.10/name:port` asks that DNS server. Throws a `TypeError` or `RangeError` for a bad option.
 */
export function dnsTarget(options: DnsOptions = {}): TargetType {
  dns(options); // throws what is wrong
  return {
    scheme: "evenkeel-dns",
    parse(uri) {
      const { host, port = defaultPort } = experimental.splitHostPort(uri.path) ?? { host: "" };
      const isName = host.includes(":") ? isIPv6(host) : /^[^/\s,@?#[\]]+$/.test(host);
      if (!isName || port < 1 || port > 65_535) throw malformed(wanted);
      const target = { text: textOf(uri), scheme: "http", host, port, authority: uri.path } as const;
      const { authority } = uri;
      return { target, resolver: () => dns(authority ? { ...options, servers: [checkServer(authority)] } : options) };
    },
  };
}

function checkServer(server: string): string {
  try {
    new Resolver().setServers([server]);
    return server;
  } catch {
    const got = JSON.stringify(server);
    throw malformed('"evenkeel-dns://10.0.0.10/name:port"', `${got} is no address of a DNS server`);
  }
}
