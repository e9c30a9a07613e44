import { Resolver } from "node:dns";
import { isIPv6 } from "node:net";
import { domainToASCII } from "node:url";
import { type DnsOptions, dns } from "@evenkeel/core";
import { experimental } from "@grpc/grpc-js";
import { malformed, type TargetType, textOf } from "./target-type.ts";

const wanted = '"evenkeel-dns:///name:port"';

const noServer = "there is no place for a DNS server where register() has dns.lookup";

/** As gRPC has it for names without a port. */
const defaultPort = 443;

/**
 * `evenkeel-dns:///name:port`: every address of the name, by core's `dns()`. The port is 443 where there is none.
 * `evenkeel-dns://10.0.0.10/name:port` asks that DNS server. A name that is not ASCII counts as what
 * IDNA makes of it. Throws a `TypeError` or `RangeError` for a bad option.
 */
export function dnsTarget(options: DnsOptions = {}): TargetType {
  dns(options); // throws what is wrong
  return {
    scheme: "evenkeel-dns",
    parse(uri) {
      const { authority: server, path } = uri;
      const { host: given, port = defaultPort } = experimental.splitHostPort(path) ?? { host: "" };
      const host = /^\p{ASCII}*$/u.test(given) ? given : domainToASCII(given);
      const isHost = host.includes(":") ? isIPv6(host) : /^[\w.-]+$/.test(host);
      if (!isHost || port < 1 || port > 65_535) throw malformed(wanted);
      if (server && options.lookup !== undefined) throw malformed(wanted, noServer);
      const factory = dns(server ? { ...options, servers: [checkServer(server)] } : options);
      const target = { text: textOf(uri), scheme: "http", host, port, authority: path.replace(given, host) } as const;
      return { target, resolver: () => factory };
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
