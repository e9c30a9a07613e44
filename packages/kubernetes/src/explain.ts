import { messageOf } from "@evenkeel/core";
import { ApiError } from "./api/api-error.ts";
import type { ServiceName } from "./api/service-api.ts";

/** Says of which Service the slices could not be learnt, why, and what to do about it. */
export function explain(error: Error, { service, namespace }: ServiceName): Error {
  const message = `EndpointSlices of Service ${namespace}/${service}: ${messageOf(error)}`;
  return new Error(`${message}${remedyOf(error, namespace)}`, { cause: error });
}

/** What to do about it, to be put after the message; empty where there is nothing to say. */
export function remedyOf(error: Error, namespace: string): string {
  if (!(error instanceof ApiError)) return "";
  switch (error.status) {
    case 401:
      return ". The API server does not accept the credentials: is the token of the service account expired or foreign?";
    case 403:
      if (error.message.includes('User "system:anonymous"')) return ". No credentials were sent: it takes a token";
      return `. Grant it with this Role, bound to ${subjectOf(error.message)}:\n${roleText(namespace)}`;
    case 404:
      return ". The API server has no discovery.k8s.io/v1: Kubernetes 1.21 or newer is needed, or the URL is wrong";
    default:
      return "";
  }
}

function subjectOf(message: string): string {
  const [, namespace, name] = /User "system:serviceaccount:([^:"]+):([^"]+)"/.exec(message) ?? [];
  if (name !== undefined) return `the ServiceAccount ${name} in namespace ${namespace}`;
  const [, user] = /User "([^"]+)"/.exec(message) ?? [];
  return user === undefined ? "the client's ServiceAccount" : `the user ${user}`;
}

/** The Role that a client of Services in `namespace` needs. */
export function roleText(namespace: string): string {
  return `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: evenkeel
  namespace: ${namespace}
rules:
  - apiGroups: [discovery.k8s.io]
    resources: [endpointslices]
    verbs: [list, watch]
  - apiGroups: [""]
    resources: [services]
    verbs: [get]
`;
}
