import type { ApiServer } from "./api/api-server.ts";
import { checkNames } from "./option-checks.ts";
import { isLabel } from "./service-name.ts";

export interface KubernetesOptions {
  /** Name of the Service. Default: what the target's host says. */
  readonly service?: string;
  /** Default: what the target's host says where the Service is taken from it, else that of this pod. */
  readonly namespace?: string;
  /**
   * Name or number of a port. A name is that of the EndpointSlices' ports, which is the Service's; a number is looked for
   * among the pods' ports, then among the Service's. Default: the port of the target; where that has none, the only port
   * there is.
   */
  readonly port?: string | number;
  /** The zone of this process, for topology aware routing. Default: the environment's `POD_ZONE`. */
  readonly zone?: string;
  /**
   * How the API server is reached. Default: `inCluster()`, or where this process is in no pod and `KUBECONFIG` is set,
   * `kubeconfig()`.
   */
  readonly apiServer?: ApiServer;
}

/** Returns `options`; throws a `TypeError` or `RangeError` that names the wrong one. */
export function checkOptions(options: KubernetesOptions): KubernetesOptions {
  checkNames("kubernetes", options, ["service", "namespace", "port", "zone", "apiServer"]);
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (name === "port") checkPort(value);
    else if (name === "apiServer") checkApiServer(value);
    else if (typeof value !== "string" || value === "") {
      throw new TypeError(`kubernetes: ${name}: expected a name, got ${JSON.stringify(value)}`);
    } else if (name !== "zone" && !isLabel(value)) {
      throw new TypeError(`kubernetes: ${name}: expected a DNS label (a-z, 0-9 and "-"), got ${JSON.stringify(value)}`);
    }
  }
  return options;
}

function checkPort(port: unknown): void {
  if (typeof port !== "number" && (typeof port !== "string" || port === "")) {
    throw new TypeError(`kubernetes: port: expected a name or a number, got ${String(port)}`);
  }
  const number = Number(port);
  if (typeof port === "string" && !/^\d+$/.test(port)) {
    if (isLabel(port)) return;
    throw new TypeError(`kubernetes: port: expected a DNS label (a-z, 0-9 and "-") or a number, got "${port}"`);
  }
  if (Number.isInteger(number) && number >= 1 && number <= 65_535) return;
  throw new RangeError(`kubernetes: port: expected 1 to 65535, got ${port}`);
}

function checkApiServer(value: unknown): void {
  const { key, access } = Object(value) as Partial<ApiServer>;
  if (typeof key === "string" && typeof access === "function") return;
  throw new TypeError("kubernetes: apiServer: expected inCluster(), kubeconfig() or apiServerAt()");
}
