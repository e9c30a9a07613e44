import type { ResolverFactory, Target } from "@evenkeel/core";
import { experimental } from "@grpc/grpc-js";

/** What the targets of one scheme mean. */
export interface TargetType {
  readonly scheme: string;
  /** Throws a `TypeError` that says what was expected. */
  parse(uri: experimental.GrpcUri): ParsedTarget;
}

export interface ParsedTarget {
  readonly target: Target;
  /** What resolves it. Throws a `TypeError` or `RangeError` for what only shows then. */
  resolver(): ResolverFactory;
}

const authorities = new WeakMap<experimental.GrpcUri, string>();

/**
 * What `:authority` and TLS server names are made of; grpc-js asks for each connection. A malformed target gets some: its
 * RPCs fail, its channel is made.
 */
export function defaultAuthority(type: TargetType, uri: experimental.GrpcUri): string {
  const authority = authorities.get(uri) ?? authorityOf(type, uri);
  authorities.set(uri, authority);
  return authority;
}

function authorityOf(type: TargetType, uri: experimental.GrpcUri): string {
  try {
    return type.parse(uri).target.authority;
  } catch {
    return uri.path;
  }
}

/** The path of a target that has no authority: `scheme:///path`, or `scheme:path`. Throws a `TypeError`. */
export function onlyPath({ authority, path }: experimental.GrpcUri, wanted: string): string {
  if (authority) throw malformed(wanted, `there is no place for ${JSON.stringify(authority)}`);
  if (path.startsWith("/")) throw malformed(wanted);
  return path;
}

/** The text of a target, as it was given. */
export function textOf(uri: experimental.GrpcUri): string {
  return experimental.uriToString(uri);
}

export function malformed(wanted: string, why?: string): TypeError {
  return new TypeError(`malformed target: ${why === undefined ? "" : `${why}, `}expected ${wanted}`);
}
