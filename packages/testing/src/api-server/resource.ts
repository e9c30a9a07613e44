/** What the pretend API server serves. */
export type ApiResource = "endpointslices" | "services";

/** What a resource is called where. */
export interface ResourceKind {
  readonly resource: ApiResource;
  /** Empty: the core group. */
  readonly group: "" | "discovery.k8s.io";
  readonly apiVersion: string;
  readonly kind: string;
  /** What its paths begin with. */
  readonly root: string;
  /** With its group, as messages have it. */
  readonly qualified: string;
  /** Whether its objects count their changes, as `metadata.generation`. */
  readonly counted: boolean;
  /** What a bookmark holds beside its metadata: the fields that are never left out, empty. */
  readonly emptyFields: string;
}

export const endpointSlices: ResourceKind = {
  resource: "endpointslices",
  group: "discovery.k8s.io",
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  root: "/apis/discovery.k8s.io/v1",
  qualified: "endpointslices.discovery.k8s.io",
  counted: true,
  emptyFields: `"addressType":"","endpoints":null,"ports":null`,
};

export const services: ResourceKind = {
  resource: "services",
  group: "",
  apiVersion: "v1",
  kind: "Service",
  root: "/api/v1",
  qualified: "services",
  counted: false,
  emptyFields: `"spec":{},"status":{"loadBalancer":{}}`,
};

/** How objects that stand alone begin; in the `items` of a list they have neither field. */
export function typeMeta({ kind, apiVersion }: ResourceKind): string {
  return `"kind":"${kind}","apiVersion":"${apiVersion}"`;
}
