import { randomBytes } from "node:crypto";
import {
  ApiException,
  CoreV1Api,
  KubeConfig,
  type KubernetesObject,
  KubernetesObjectApi,
  type V1Endpoint,
  type V1EndpointSlice,
  type V1Service,
  type V1ServiceSpec,
} from "@kubernetes/client-node";
import { namespace } from "./settings.ts";

/** On everything that is created, so that leftovers can be found. */
const label = { "app.kubernetes.io/managed-by": "evenkeel-test-cluster" };

/** What one test has in the cluster, under a name of its own. */
export class Scene implements AsyncDisposable {
  readonly config: KubeConfig = new KubeConfig();
  /** Of the Service, and the first part of every other name. */
  readonly name: string = `evenkeel-${randomBytes(4).toString("hex")}`;
  readonly #api: KubernetesObjectApi;
  readonly #made: KubernetesObject[] = [];

  constructor() {
    this.config.loadFromDefault();
    this.#api = KubernetesObjectApi.makeApiClient(this.config);
  }

  get core(): CoreV1Api {
    return this.config.makeApiClient(CoreV1Api);
  }

  /** Creates the Service, without a selector: its slices are ours alone. */
  async service(spec: V1ServiceSpec = {}): Promise<void> {
    const ports = [{ name: "grpc", port: 80, targetPort: 8080 }];
    const service: V1Service = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: this.name },
      spec: { ports, ...spec },
    };
    await this.create(service);
  }

  /** Creates a slice of the Service, or replaces the one of that name. */
  async slice(suffix: string, init: SliceInit): Promise<void> {
    const { addressType = "IPv4", ports = [{ name: "grpc", port: 8080, protocol: "TCP" }], endpoints } = init;
    const slice: V1EndpointSlice = {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: {
        name: this.#sliceName(suffix),
        labels: {
          "kubernetes.io/service-name": this.name,
          "endpointslice.kubernetes.io/managed-by": "evenkeel-test-cluster",
        },
      },
      addressType,
      ports,
      endpoints,
    };
    const isThere = this.#made.some(
      ({ kind, metadata }) => kind === slice.kind && metadata?.name === slice.metadata?.name,
    );
    if (isThere) await this.#api.replace(this.#own(slice));
    else await this.create(slice);
  }

  async deleteSlice(suffix: string): Promise<void> {
    const name = this.#sliceName(suffix);
    const at = this.#made.findIndex(({ kind, metadata }) => kind === "EndpointSlice" && metadata?.name === name);
    for (const slice of this.#made.splice(at, 1)) await this.#api.delete(slice);
  }

  /** Creates any object, in the namespace of the tests, until the test is over. */
  async create(object: KubernetesObject): Promise<void> {
    const own = this.#own(object);
    this.#made.push(own);
    await this.#api.create(own);
  }

  async delete(kind: string, name: string): Promise<void> {
    const at = this.#made.findIndex((made) => made.kind === kind && made.metadata?.name === name);
    for (const object of this.#made.splice(at, 1)) await this.#api.delete(object);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const results = await Promise.allSettled(this.#made.reverse().map((made) => this.#api.delete(made)));
    const errors = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
    const failed = errors.filter((error) => !(error instanceof ApiException && error.code === 404));
    if (failed.length > 0) throw new AggregateError(failed, `${failed.length} objects of ${this.name} are left behind`);
  }

  #sliceName(suffix: string): string {
    return `${this.name}-${suffix}`;
  }

  #own<T extends KubernetesObject>(object: T): T {
    return { ...object, metadata: { ...object.metadata, namespace, labels: { ...object.metadata?.labels, ...label } } };
  }
}

export interface SliceInit extends Partial<Pick<V1EndpointSlice, "addressType" | "ports">> {
  readonly endpoints: V1Endpoint[];
}

/** An endpoint of a slice: ready, unless `more` has it otherwise. */
export function endpoint(address: string, more: Omit<V1Endpoint, "addresses"> = {}): V1Endpoint {
  return { addresses: [address], conditions: { ready: true }, ...more };
}

/** What an endpoint has that is a pod's. */
export function pod(name: string, uid: string): Pick<V1Endpoint, "targetRef"> {
  return { targetRef: { kind: "Pod", namespace, name, uid } };
}
