import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { HeaderList } from "@evenkeel/core";
import { headerValue, toHeaders } from "./headers.ts";

/** The compression that the header `name` says. Throws Internal for one that was not offered. */
export function responseEncoding(
  headers: HeaderList,
  name: string,
  accepted: readonly Compression[],
): Compression | undefined {
  const encoding = headerValue(headers, name);
  if (encoding === undefined || encoding.toLowerCase() === "identity") return undefined;
  const compression = accepted.find((each) => each.name === encoding);
  if (compression !== undefined) return compression;
  throw new ConnectError(`unsupported response encoding "${encoding}"`, Code.Internal, toHeaders(headers));
}

/** What is said to be acceptable in headers; nothing for no compressions. */
export function acceptHeader(name: string, accepted: readonly Compression[]): HeaderList {
  return accepted.length === 0 ? [] : [[name, accepted.map((each) => each.name).join(",")]];
}
