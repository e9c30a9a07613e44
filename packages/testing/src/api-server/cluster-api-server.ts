import type { Server } from "node:http";
import { type Random, type ResolverFactory, systemRandom } from "@evenkeel/core";
import { checkMs } from "../cluster/options.ts";
import { PretendApiServer, startWith } from "./api-server.ts";
import type { Entrance } from "./entrance.ts";
import { type ApiServerOptions, type ApiServerSettings, checkPort } from "./options.ts";
import { SliceController, type SliceControllerSettings } from "./slice-controller.ts";

/** How the API server of a pretend cluster is set up. */
export interface ClusterApiServerOptions extends ApiServerOptions {
  /** Endpoints of a slice at most: an integer from 1 to 1 000. Default 100, as in Kubernetes. */
  readonly maxEndpointsPerSlice?: number;
  /** Name of the port in Service and slices: a DNS label, or empty. Default "http". */
  readonly portName?: string;
  /** The port of the Service, which maps to that of the pods. Default: the cluster's port. */
  readonly servicePort?: number;
  /** Whether the Service has no cluster IP. Default false. */
  readonly headless?: boolean;
  /** Whether endpoints have hints: each for its own zone. Default false. */
  readonly hints?: boolean;
  /**
   * Milliseconds from a change in the cluster's endpoint set to the slices, one number or the two between which it is
   * drawn. Changes meanwhile go with it. 0: before the change returns. Default [5, 25].
   *
   * A real controller does not wait (its `--endpoint-updates-batch-period` is 0): it takes the time of a pod's way
   * through the watch of its informer, of a queue, and of the write to etcd; on a busy one, seconds.
   */
  readonly sliceDelayMs?: number | readonly [min: number, max: number];
  /** What delays and names are drawn with. Default: the randomness of the process. */
  readonly random?: Random;
}

/** What an API server needs to know of a cluster. */
export interface ClusterSource {
  readonly name: string;
  readonly port: number;
  readonly resolver: ResolverFactory;
  /** Resolves once every change so far is in what `resolver` tells. */
  readonly published: () => Promise<void>;
}

/**
 * The API server of a pretend cluster: the Service `<name>` in the namespace "default", and the slices that the
 * cluster's pods make. Objects set by hand stand beside them.
 */
export class ClusterApiServer extends PretendApiServer {
  readonly #controller: SliceController;
  readonly #published: () => Promise<void>;

  /** Use the cluster's `startApiServer`. */
  constructor(
    settings: ApiServerSettings,
    server: Server,
    entrance: Entrance,
    ca: string | undefined,
    source: ClusterSource,
    slices: SliceControllerSettings,
  ) {
    super(settings, server, entrance, ca);
    this.#published = source.published;
    this.#controller = new SliceController(this, source.resolver, slices);
  }

  /** Resolves once every change that the cluster has noticed so far is in the slices, or one of them is closed. */
  async settled(): Promise<void> {
    await this.#published();
    await this.#controller.settled();
  }

  override close(): Promise<void> {
    this.#controller.close();
    return super.close();
  }
}

/** Rejects as `startApiServer`. */
export async function startClusterApiServer(
  source: ClusterSource,
  options: ClusterApiServerOptions = {},
): Promise<ClusterApiServer> {
  const slices = checkSliceOptions(source, options);
  return startWith(options, (...made) => new ClusterApiServer(...made, source, slices));
}

function checkSliceOptions(source: ClusterSource, options: ClusterApiServerOptions): SliceControllerSettings {
  const { maxEndpointsPerSlice = 100, portName = "http", headless = false, hints = false, sliceDelayMs } = options;
  if (!Number.isInteger(maxEndpointsPerSlice) || maxEndpointsPerSlice < 1 || maxEndpointsPerSlice > 1_000) {
    throw new RangeError(`maxEndpointsPerSlice: expected an integer from 1 to 1000, got ${maxEndpointsPerSlice}`);
  }
  if (typeof portName !== "string" || !/^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$/.test(portName)) {
    throw new TypeError(`portName: expected a DNS label or an empty string, got ${JSON.stringify(portName)}`);
  }
  for (const [option, value] of Object.entries({ headless, hints })) {
    if (typeof value !== "boolean") {
      throw new TypeError(`${option}: expected true or false, got ${JSON.stringify(value)}`);
    }
  }
  const [min, max] = typeof sliceDelayMs === "number" ? [sliceDelayMs, sliceDelayMs] : (sliceDelayMs ?? [5, 25]);
  checkMs("sliceDelayMs", min);
  checkMs("sliceDelayMs", max);
  if (min > max) throw new RangeError(`sliceDelayMs: expected the lower bound first, got [${min}, ${max}]`);
  return {
    service: source.name,
    servicePort: checkPort("servicePort", options.servicePort ?? source.port),
    portName,
    headless,
    hints,
    maxEndpointsPerSlice,
    sliceDelayMs: [min, max],
    random: options.random ?? systemRandom,
  };
}
