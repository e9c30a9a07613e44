/** The parts of a `discovery.k8s.io/v1` EndpointSlice that are read here. */
export interface EndpointSlice {
  readonly metadata: ObjectMeta;
  readonly addressType: "IPv4" | "IPv6" | "FQDN";
  readonly endpoints?: readonly SliceEndpoint[] | null;
  readonly ports?: readonly SlicePort[] | null;
}

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface SliceEndpoint {
  /** Only the first counts, as for kube-proxy. */
  readonly addresses: readonly string[];
  readonly conditions?: EndpointConditions | null;
  readonly targetRef?: ObjectReference;
  readonly nodeName?: string | null;
  readonly zone?: string | null;
  readonly hints?: EndpointHints | null;
}

/** What is not set is unknown; how that is read is Kubernetes' own rule, see the API reference. */
export interface EndpointConditions {
  readonly ready?: boolean | null;
  readonly serving?: boolean | null;
  readonly terminating?: boolean | null;
}

export interface ObjectReference {
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly uid?: string;
}

/** Whose clients an endpoint should serve, by topology aware routing. */
export interface EndpointHints {
  readonly forZones?: readonly { readonly name: string }[] | null;
  readonly forNodes?: readonly { readonly name: string }[] | null;
}

export interface SlicePort {
  /** Unique within a slice; empty, or none, where the Service has one port without a name. */
  readonly name?: string | null;
  /** None: every port. */
  readonly port?: number | null;
  readonly protocol?: "TCP" | "UDP" | "SCTP" | null;
  readonly appProtocol?: string | null;
}
