import { formatAddress, messageOf, type Resolver, type ResolverUpdate, systemClock } from "@evenkeel/core";
import type { experimental } from "@grpc/grpc-js";
import type { TargetType } from "../src/resolving/target-type.ts";

/** As grpc-js takes a target apart. */
export function uriOf(target: string): experimental.GrpcUri {
  const [, scheme = "", authority, path = ""] = /^(?:([A-Za-z0-9+.-]+):)?(?:\/\/([^/]*)\/)?(.+)$/.exec(target) ?? [];
  return authority === undefined ? { scheme, path } : { scheme, authority, path };
}

/** What a target resolves to at first: the addresses of its endpoints, or what went wrong. */
export async function resolved(type: TargetType, text: string): Promise<string> {
  let running: Resolver | undefined;
  const update = await new Promise<ResolverUpdate>((resolve) => {
    try {
      const { target, resolver } = type.parse(uriOf(text));
      running = resolver()(target, resolve, { clock: systemClock, random: () => 0.5 });
    } catch (error) {
      resolve({ kind: "error", error: error as Error });
    }
  });
  running?.close();
  if (update.kind !== "endpoints") return messageOf(update.error);
  return update.endpoints.map(({ addresses: [first] }) => formatAddress(first)).join(" ");
}
