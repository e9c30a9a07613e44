import { base64Decode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import type { HeaderList } from "@evenkeel/core";
import { fromWire } from "./grpc-status.ts";
import { toHeaders } from "./headers.ts";

/** `permission_denied` and so on. */
const codes: ReadonlyMap<string, Code> = new Map(
  Object.values(Code)
    .filter((code) => typeof code === "number")
    .map((code) => [snakeCase(Code[code]), code]),
);

function snakeCase(name: string): string {
  return name.replaceAll(/(?<!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}

/** What an error falls back on when its JSON does not say it, or cannot be read. */
export interface ErrorFallback {
  readonly message: string;
  readonly code: Code;
  /** In the error's metadata only if its JSON cannot be read. */
  readonly headers: HeaderList;
}

/** The error of a response of the Connect protocol ("Error-Unary"), with `metadata`; `fallback` for what is none. */
export function errorFromBytes(
  bytes: Uint8Array,
  fallback: ErrorFallback,
  ...metadata: readonly HeaderList[]
): ConnectError {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return new ConnectError(fallback.message, fallback.code, toHeaders(fallback.headers));
  }
  const error = readError(json, fallback.code, ...metadata);
  return error ?? new ConnectError(fallback.message, fallback.code, toHeaders(fallback.headers, ...metadata));
}

/** The error that JSON states, with `metadata`; `undefined` for what is none. */
export function readError(
  json: unknown,
  defaultCode: Code,
  ...metadata: readonly HeaderList[]
): ConnectError | undefined {
  if (!isObject(json)) return undefined;
  const { code: name, message, details } = json;
  if (message !== undefined && message !== null && typeof message !== "string") return undefined;
  const code = (typeof name === "string" ? codes.get(name) : undefined) ?? defaultCode;
  const error = new ConnectError(message ?? "", code, toHeaders(...metadata));
  if (!Array.isArray(details)) return fromWire(error);
  for (const detail of details) {
    const read = readDetail(detail);
    if (read === undefined) return undefined;
    error.details.push(read);
  }
  return fromWire(error);
}

type IncomingDetail = Extract<ConnectError["details"][number], { type: string }>;

function readDetail(detail: unknown): IncomingDetail | undefined {
  if (!isObject(detail)) return undefined;
  const { type, value, debug } = detail;
  if (typeof type !== "string" || typeof value !== "string") return undefined;
  try {
    // as it was parsed: any JSON, or nothing
    return { type, value: base64Decode(value), debug: debug as NonNullable<IncomingDetail["debug"]> };
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
