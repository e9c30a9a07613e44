import type { EndpointSlice, SlicePort } from "../api/endpoint-slice.ts";
import type { ServiceAnswer } from "../watch/service-watch.ts";

/** The port that a client means. */
export type WantedPort =
  | { readonly kind: "name"; readonly name: string }
  /** Of the slices' endpoints, else of the Service. */
  | { readonly kind: "number"; readonly number: number }
  /** The client named none: `number` is its scheme's. */
  | { readonly kind: "default"; readonly number: number };

/** Which port of each endpoint is dialled. */
export type ChosenPort =
  /** That of this name, whose number may differ from slice to slice. */
  | { readonly kind: "name"; readonly name: string }
  /** This one, of endpoints that take connections on every port or do not say on which. */
  | { readonly kind: "number"; readonly number: number };

export type PortChoice =
  | ChosenPort
  /** Only the Service can tell. */
  | { readonly kind: "askService" }
  /** There is no such port; `reason` says which there are. */
  | { readonly kind: "unknown"; readonly reason: string };

/**
 * Chooses by the slices' port name, then number, then by the Service's port number; where none was named, the only port
 * there is will do. `service`: what is known of the Service, once it was asked for.
 */
export function choosePort(
  wanted: WantedPort,
  slices: readonly EndpointSlice[],
  service: ServiceAnswer | undefined,
): PortChoice {
  const ports = slices.flatMap((slice) => tcpPorts(slice));
  if (wanted.kind === "name") {
    if (ports.some((port) => nameOf(port) === wanted.name)) return wanted;
    return { kind: "unknown", reason: `there is no port named ${JSON.stringify(wanted.name)}; ${listed(ports)}` };
  }
  const { number } = wanted;
  const hasNone = slices.every((slice) => !slice.ports?.length);
  if (hasNone || ports.some(({ port }) => port == null)) return { kind: "number", number };
  if (ports.length === 0) return { kind: "unknown", reason: `there is no port ${number}; ${listed(ports)}` };
  const sameNumber = ports.find(({ port }) => port === number);
  if (sameNumber !== undefined) return byName(sameNumber);
  const names = new Set(ports.map(nameOf));
  const only = names.size === 1 && ports[0] !== undefined ? byName(ports[0]) : undefined;
  if (only !== undefined && wanted.kind === "default") return only;
  if (service === undefined) return { kind: "askService" };
  // a Service that may not be read, and has one port: which else could be meant
  if (service.kind !== "found" && only !== undefined) return only;
  const servicePort = servicePorts(service).find(({ port }) => port === number);
  if (servicePort !== undefined && names.has(servicePort.name ?? ""))
    return { kind: "name", name: servicePort.name ?? "" };
  return { kind: "unknown", reason: `there is no port ${number}; ${listed(ports)}${whyNotService(service)}` };
}

/** The number of the chosen port in this slice; `undefined` where the slice has it not. */
export function portNumber(chosen: ChosenPort, slice: EndpointSlice): number | undefined {
  if (chosen.kind === "number") return chosen.number;
  return tcpPorts(slice).find((port) => nameOf(port) === chosen.name)?.port ?? undefined;
}

function tcpPorts({ ports }: EndpointSlice): readonly SlicePort[] {
  return (ports ?? []).filter(({ protocol }) => (protocol ?? "TCP") === "TCP");
}

function servicePorts(answer: ServiceAnswer) {
  const ports = answer.kind === "found" ? answer.service.spec?.ports : undefined;
  return (ports ?? []).filter(({ protocol }) => (protocol ?? "TCP") === "TCP");
}

function byName(port: SlicePort): ChosenPort {
  return { kind: "name", name: nameOf(port) };
}

function nameOf({ name }: SlicePort): string {
  return name ?? "";
}

function listed(ports: readonly SlicePort[]): string {
  const texts = new Set(ports.map((port) => (nameOf(port) === "" ? `${port.port}` : `${nameOf(port)} (${port.port})`)));
  return texts.size === 0 ? "its EndpointSlices have no TCP ports" : `its EndpointSlices have ${[...texts].join(", ")}`;
}

function whyNotService(service: ServiceAnswer): string {
  return service.kind === "unknown" ? `; its Service ports are not known: ${service.error.message}` : "";
}
