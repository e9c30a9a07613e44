import type { ResourceKind } from "./resource.ts";

/** Kubernetes' answer to what goes wrong: `v1.Status`, in the order of its fields. */
export interface Status {
  readonly kind: "Status";
  readonly apiVersion: "v1";
  readonly metadata: { readonly continue?: string };
  readonly status: "Failure";
  readonly message: string;
  readonly reason?: string;
  readonly details?: StatusDetails;
  readonly code: number;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly causes?: readonly { readonly reason?: string; readonly message?: string; readonly field?: string }[];
  readonly retryAfterSeconds?: number;
}

/** What ends a request early; the status is its answer. */
export class StatusFailure extends Error {
  readonly status: Status;

  constructor(status: Status) {
    super(status.message);
    this.status = status;
  }
}

function failure(code: number, reason: string, message: string, details?: StatusDetails): Status {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    ...(details !== undefined && { details }),
    code,
  };
}

export function badRequest(message: string): Status {
  return failure(400, "BadRequest", message);
}

export function unauthorized(): Status {
  return failure(401, "Unauthorized", "Unauthorized");
}

export interface Attempted {
  readonly user: string;
  readonly verb: string;
  readonly kind: ResourceKind;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
}

export function forbidden({ user, verb, kind, namespace, name }: Attempted): Status {
  const where = namespace === undefined ? "at the cluster scope" : `in the namespace "${namespace}"`;
  const what = name === undefined ? kind.qualified : `${kind.qualified} "${name}"`;
  const message =
    `${what} is forbidden: User "${user}" cannot ${verb} resource "${kind.resource}" ` +
    `in API group "${kind.group}" ${where}`;
  return failure(403, "Forbidden", message, detailsOf(kind, name));
}

export function forbiddenPath(user: string, path: string): Status {
  return failure(403, "Forbidden", `forbidden: User "${user}" cannot get path "${path}"`, {});
}

export function notFound(kind: ResourceKind, name: string): Status {
  return failure(404, "NotFound", `${kind.qualified} "${name}" not found`, detailsOf(kind, name));
}

export function noSuchResource(): Status {
  return failure(404, "NotFound", "the server could not find the requested resource", {});
}

export function methodNotAllowed(): Status {
  return failure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {});
}

/** `token` goes on with the list, from what is there by then. */
export function expired(message: string, token?: string): Status {
  const status = failure(410, "Expired", message);
  return token === undefined ? status : { ...status, metadata: { continue: token } };
}

export function invalid(kind: string, problem: { field: string; type: string; body: string }): Status {
  return failure(422, "Invalid", `${kind} "" is invalid: ${problem.field}: ${problem.body}`, {
    ...qualifiedDetails(kind),
    causes: [{ reason: problem.type, message: problem.body, field: problem.field }],
  });
}

/** An error that nobody has made a status of. */
export function unknownFailure(message: string): Status {
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, code: 500 };
}

export function tooLargeResourceVersion(asked: number, current: number): Status {
  return failure(504, "Timeout", `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: 1,
  });
}

const reasons: Readonly<Record<number, readonly [reason: string, message: string]>> = {
  400: ["BadRequest", "the server rejected our request for an unknown reason"],
  401: ["Unauthorized", "Unauthorized"],
  403: ["Forbidden", "forbidden"],
  404: ["NotFound", "the server could not find the requested resource"],
  410: ["Expired", "The resourceVersion for the provided list is too old."],
  429: ["TooManyRequests", "storage is (re)initializing"],
  500: ["InternalError", "Internal error occurred: etcdserver: request timed out"],
  503: ["ServiceUnavailable", "the server is currently unable to handle the request"],
  504: ["Timeout", "Timeout: request did not complete within the allotted timeout"],
};

/** A status for a code, when nothing else is known. */
export function statusOf(code: number, message?: string, retryAfterSeconds?: number): Status {
  const [reason, usual] = reasons[code] ?? [code >= 500 ? "InternalError" : "Unknown", `status ${code}`];
  const details = retryAfterSeconds === undefined ? undefined : { retryAfterSeconds };
  return failure(code, reason, message ?? usual, details);
}

function detailsOf(kind: ResourceKind, name: string | undefined): StatusDetails {
  return {
    ...(name !== undefined && { name }),
    ...(kind.group !== "" && { group: kind.group }),
    kind: kind.resource,
  };
}

function qualifiedDetails(qualified: string): StatusDetails {
  const dot = qualified.indexOf(".");
  return dot === -1 ? { kind: qualified } : { group: qualified.slice(dot + 1), kind: qualified.slice(0, dot) };
}
