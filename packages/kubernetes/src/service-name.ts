/** What a host says of a Service. */
export interface HostName {
  readonly service: string;
  readonly namespace: string | undefined;
}

/**
 * Reads `svc`, `svc.ns`, `svc.ns.svc` and `svc.ns.svc.<cluster domain>`, the names that a cluster's DNS knows. Throws a
 * `TypeError` for any other host.
 */
export function parseServiceHost(host: string): HostName {
  const [service, namespace, svc] = host.replace(/\.$/, "").split(".");
  const hasName = service !== undefined && isLabel(service) && (namespace === undefined || isLabel(namespace));
  if (!hasName || (svc !== undefined && svc !== "svc")) {
    const wanted = 'expected "svc", "svc.ns", "svc.ns.svc" or "svc.ns.svc.cluster.local", or kubernetes({ service })';
    throw new TypeError(`${JSON.stringify(host)} is no name of a Service: ${wanted}`);
  }
  return { service, namespace };
}

/** Whether `text` is a DNS label (RFC 1123), as names of Services and namespaces are. */
export function isLabel(text: string): boolean {
  return /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text);
}
