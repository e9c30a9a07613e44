import { createHash } from "node:crypto";
import {
  type Endpoint,
  formatAddress,
  parseTarget,
  type Random,
  type Resolver,
  type ResolverFactory,
  randomInt,
  systemClock,
} from "@evenkeel/core";
import type { EndpointSlice, SliceEndpoint } from "@evenkeel/kubernetes";
import { Timers } from "../timers.ts";
import type { ServiceObject } from "./objects.ts";
import { type DesiredEndpoint, type PackedSlice, packSlices } from "./slice-packing.ts";

/** Where slices go. */
export interface SliceSink {
  setSlice(slice: EndpointSlice): string;
  deleteSlice(name: string): boolean;
  setService(service: ServiceObject): string;
}

/** What the slices of a Service are like. */
export interface SliceControllerSettings {
  /** Name of the Service, in the namespace "default". */
  readonly service: string;
  readonly servicePort: number;
  readonly portName: string;
  readonly headless: boolean;
  readonly hints: boolean;
  readonly maxEndpointsPerSlice: number;
  readonly sliceDelayMs: readonly [min: number, max: number];
  readonly random: Random;
}

/** As names are made in Kubernetes: without vowels, and without what looks like another. */
const letters = "bcdfghjklmnpqrstvwxz2456789";

/** What Kubernetes' endpointslice controller is: it writes the slices of one Service, after its pods. */
export class SliceController {
  readonly #sink: SliceSink;
  readonly #settings: SliceControllerSettings;
  readonly #uid: string;
  readonly #timers = new Timers();
  readonly #resolver: Resolver;
  #slices: PackedSlice[] = [];
  #endpoints: readonly Endpoint[] = [];
  #pending: PromiseWithResolvers<void> | undefined;

  /** The Service and its slices are there when this returns; what `endpoints` tells later is written after a delay. */
  constructor(sink: SliceSink, endpoints: ResolverFactory, settings: SliceControllerSettings) {
    this.#sink = sink;
    this.#settings = settings;
    this.#uid = uidOf(`service ${settings.service} ${settings.servicePort}`);
    this.#setService();
    const target = parseTarget(`http://${settings.service}.default.svc.cluster.local`);
    let first = true;
    const context = { clock: systemClock, random: settings.random };
    this.#resolver = endpoints(
      target,
      (update) => {
        if (update.kind !== "endpoints") return;
        this.#endpoints = update.endpoints;
        if (first) this.#write();
        else this.#writeLater();
        first = false;
      },
      context,
    );
  }

  /** Resolves once what it was told is written, or it is closed. */
  async settled(): Promise<void> {
    await this.#pending?.promise;
  }

  close(): void {
    this.#resolver.close();
    this.#timers.clear();
    this.#pending?.resolve();
  }

  /** A change that comes while another waits goes with it, as with the controller's queue. */
  #writeLater(): void {
    if (this.#pending !== undefined) return;
    const { sliceDelayMs, random } = this.#settings;
    const [min, max] = sliceDelayMs;
    if (max === 0) {
      this.#write();
      return;
    }
    const pending = Promise.withResolvers<void>();
    this.#pending = pending;
    this.#timers.after(min + random() * (max - min), () => {
      this.#pending = undefined;
      this.#write();
      pending.resolve();
    });
  }

  #write(): void {
    const desired = this.#endpoints.map((endpoint) => this.#desired(endpoint));
    const changes = packSlices(this.#slices, desired, this.#settings.maxEndpointsPerSlice);
    for (const packed of changes.set) {
      const slice = { ...packed, name: packed.name ?? this.#newName() };
      const index = this.#slices.findIndex(({ name }) => name === slice.name);
      if (index === -1) this.#slices.push(slice);
      else this.#slices[index] = slice;
      this.#sink.setSlice(this.#object(slice));
    }
    for (const name of changes.delete) {
      this.#slices = this.#slices.filter((slice) => slice.name !== name);
      this.#sink.deleteSlice(name);
    }
  }

  #desired(endpoint: Endpoint): DesiredEndpoint {
    const { key, addresses, ready, serving, terminating, zone, podName = key, nodeName } = endpoint;
    const { host, port } = addresses[0];
    const uid = uidOf(`pod ${podName} ${formatAddress(addresses[0])}`);
    const made: SliceEndpoint = {
      addresses: [host],
      conditions: { ready, serving, terminating },
      targetRef: { kind: "Pod", namespace: "default", name: podName, uid },
      nodeName: nodeName ?? (zone === undefined ? "node-1" : `node-${zone}`),
      ...(zone !== undefined && { zone }),
      ...(zone !== undefined && this.#settings.hints && { hints: { forZones: [{ name: zone }] } }),
    };
    return { key: uid, port, endpoint: made };
  }

  #object({ name, port, endpoints }: PackedSlice): EndpointSlice {
    const { service, portName, headless } = this.#settings;
    const metadata = {
      name: name as string,
      generateName: `${service}-`,
      namespace: "default",
      labels: {
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": service,
        ...(headless && { "service.kubernetes.io/headless": "" }),
      },
      annotations: { "endpoints.kubernetes.io/last-change-trigger-time": new Date().toISOString() },
      ownerReferences: [
        {
          apiVersion: "v1",
          kind: "Service",
          name: service,
          uid: this.#uid,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    };
    return {
      metadata,
      addressType: endpoints[0]?.endpoint.addresses[0]?.includes(":") ? "IPv6" : "IPv4",
      endpoints: endpoints.length === 0 ? null : endpoints.map(({ endpoint }) => endpoint),
      ports: port === undefined ? null : [{ name: portName, port, protocol: "TCP" }],
    };
  }

  #setService(): void {
    const { service, servicePort, portName, headless } = this.#settings;
    const targetPort = portName === "" ? servicePort : portName;
    const named = portName === "" ? {} : { name: portName };
    this.#sink.setService({
      metadata: { name: service, namespace: "default", uid: this.#uid },
      spec: {
        ...(headless && { clusterIP: "None" }),
        ports: [{ ...named, protocol: "TCP", port: servicePort, targetPort }],
        selector: { app: service },
      },
    });
  }

  #newName(): string {
    const { service, random } = this.#settings;
    for (;;) {
      const suffix = Array.from({ length: 5 }, () => letters[randomInt(random, letters.length)]).join("");
      const name = `${service}-${suffix}`;
      if (this.#slices.every((slice) => slice.name !== name)) return name;
    }
  }
}

/** The same for the same text: a pod keeps its UID, whatever API server it is asked of. */
function uidOf(text: string): string {
  const hex = createHash("sha256").update(text).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    "-",
  );
}
