import { fileURLToPath } from "node:url";

/** What every pod of a cluster runs. */
export type PodTemplate = ModulePod | CommandPod;

/**
 * A file for node, run with the node that runs the cluster.
 *
 * It listens on `POD_IP`:`PORT`, which stand in its environment beside its `POD_NAME`, and where the cluster has zones
 * `POD_ZONE`. In `args`, `$(POD_NAME)`, `$(POD_IP)`, `$(PORT)` and `$(POD_ZONE)` are replaced, as Kubernetes does it in
 * a container's `args`.
 */
export interface ModulePod {
  /** A `file:` URL, or a path, relative ones from the current directory. */
  readonly module: URL | string;
  readonly args?: readonly string[];
  /** Options for node itself, none by default; those of the parent are not inherited. */
  readonly execArgv?: readonly string[];
  /** Added to the environment of the parent. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Any other program, with its arguments; environment and replacements as for a module. */
export interface CommandPod {
  readonly command: readonly [program: string, ...args: string[]];
  /** Added to the environment of the parent. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Where pods live, and what becomes of a pod's address when the pod ends. */
export type ClusterNetwork = LoopbackNetwork | LaggingNetwork;

/** Pods listen on loopback addresses. When one ends, its connections end, and new ones are refused from then on. */
export interface LoopbackNetwork {
  readonly kind: "loopback";
}

/**
 * Pods live in a network namespace of their own, where the end of a pod is as on Kubernetes: its address goes through
 * stages, and is never given to another pod.
 *
 * 1. From `kill` on, for `resetMs`: its connections are reset, and any packet for it is answered with a reset.
 * 2. For `refuseMs`: new connections are refused. What is left of old ones hears nothing.
 * 3. For good: every packet is swallowed. Dials hang until they time out.
 *
 * Nothing of the dying process itself is heard: no last words, and no end of its connections. A pod that exits by itself
 * or after SIGTERM says its last words, refuses for `refuseMs`, and then swallows.
 *
 * Needs Linux, root, the programs `ip`, `ss` and `iptables-restore`, and a firewall, if any, that lets in what comes from
 * devices `ek-*`; elsewhere `startCluster` rejects, and `canLag()` tells why. Addresses are of 198.18.0.0/15, and only
 * this machine can reach them. Pods reach one another, and no other network; their 127.0.0.1 is not the machine's. The
 * machine's own rules and forwarding are left alone.
 */
export interface LaggingNetwork {
  readonly kind: "lagging";
  /** Milliseconds of the first stage. Default 500. With 0 there is none: open connections hear nothing at once. */
  readonly resetMs?: number;
  /** Milliseconds of the second stage. Default 1 000. With 0 there is none. */
  readonly refuseMs?: number;
}

/** How a pretend cluster is set up. */
export interface ClusterOptions {
  readonly pod: PodTemplate;
  /** Pods at the start: an integer from 0 to 100. */
  readonly size: number;
  /** Name of the Service and its pods, which are `<name>-1`, `<name>-2` …: a DNS label. Default "pod". */
  readonly name?: string;
  /**
   * The port that every pod listens on. Default: a free one. Cannot be given where pods share an address: they have
   * different ports there.
   */
  readonly port?: number;
  /**
   * Whether each pod has an address of its own (`own`, in 127.0.0.0/8, all with the same port), or a port of its own on
   * 127.0.0.1 (`shared`). Default: `own` where the machine can bind such addresses, as Linux can; else `shared`, as on
   * macOS.
   */
  readonly podAddresses?: "own" | "shared";
  /**
   * What lies between pods and their clients. Default: `{ kind: "loopback" }`. With `lagging`, pods have addresses of
   * their own, and `port` is 8080 by default.
   */
  readonly network?: ClusterNetwork;
  /** Zones, which pods get in turn. Default: none. */
  readonly zones?: readonly string[];
  /** Milliseconds from a change of a pod to its publication in the endpoint set. Default 0: at once. */
  readonly propagationMs?: number;
  /**
   * Milliseconds until the cluster notices that a pod died unasked, by `kill` or by itself; `propagationMs` comes on
   * top. Default 100; a kubelet takes up to a second.
   */
  readonly killDetectionMs?: number;
  /** Milliseconds that a pod may take until it accepts connections. Default 20 000. */
  readonly startupTimeoutMs?: number;
  /** Milliseconds from SIGTERM to SIGKILL. Default 30 000, as in Kubernetes. */
  readonly terminationGraceMs?: number;
}

/** The options, checked, with their defaults. */
export interface ClusterSettings {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly size: number;
  readonly name: string;
  readonly port: number | undefined;
  readonly podAddresses: "own" | "shared" | undefined;
  readonly network: LoopbackNetwork | LaggingTimes;
  readonly zones: readonly string[];
  readonly propagationMs: number;
  readonly killDetectionMs: number;
  readonly startupTimeoutMs: number;
  readonly terminationGraceMs: number;
}

/** The times of a network that lags. */
export type LaggingTimes = Required<LaggingNetwork>;

/** The largest cluster: one that is replaced at a stroke still has an address for each pod. */
export const maxSize = 100;

/** Throws a `TypeError` or `RangeError` that names the option. */
export function checkOptions(options: ClusterOptions): ClusterSettings {
  if (typeof options !== "object" || options === null) {
    throw new TypeError("startCluster: expected options with at least pod and size");
  }
  const { name = "pod", port, podAddresses, zones = [] } = options;
  checkSize(options.size);
  if (typeof name !== "string" || !/^[a-z0-9]([-a-z0-9]{0,58}[a-z0-9])?$/.test(name)) {
    throw new TypeError(`name: expected a DNS label of at most 60 of a-z, 0-9 and "-", got ${JSON.stringify(name)}`);
  }
  if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65_535)) {
    throw new RangeError(`port: expected an integer from 1 to 65535, got ${port}`);
  }
  if (podAddresses !== undefined && podAddresses !== "own" && podAddresses !== "shared") {
    throw new TypeError(`podAddresses: expected "own" or "shared", got ${JSON.stringify(podAddresses)}`);
  }
  if (!Array.isArray(zones) || zones.some((zone) => typeof zone !== "string" || zone === "")) {
    throw new TypeError(`zones: expected an array of names, got ${JSON.stringify(zones)}`);
  }
  return {
    ...checkTemplate(options.pod),
    size: options.size,
    name,
    port,
    podAddresses,
    network: checkNetwork(options.network, podAddresses),
    zones,
    propagationMs: checkMs("propagationMs", options.propagationMs ?? 0),
    killDetectionMs: checkMs("killDetectionMs", options.killDetectionMs ?? 100),
    startupTimeoutMs: checkMs("startupTimeoutMs", options.startupTimeoutMs ?? 20_000),
    terminationGraceMs: checkMs("terminationGraceMs", options.terminationGraceMs ?? 30_000),
  };
}

/** Throws a `RangeError` when `size` is no size of a cluster. */
export function checkSize(size: number): void {
  if (!Number.isInteger(size) || size < 0 || size > maxSize) {
    throw new RangeError(`size: expected an integer from 0 to ${maxSize}, got ${size}`);
  }
}

/** Returns `ms`; throws a `RangeError` that names the option when it is no delay that node's timers can take. */
export function checkMs(option: string, ms: number): number {
  if (!(Number.isFinite(ms) && ms >= 0 && ms < 2 ** 31))
    throw new RangeError(`${option}: expected milliseconds from 0 to 2^31 - 1, got ${ms}`);
  return ms;
}

function checkNetwork(
  network: ClusterNetwork = { kind: "loopback" },
  podAddresses: "own" | "shared" | undefined,
): ClusterSettings["network"] {
  switch (network?.kind) {
    case "loopback":
      checkKeys(network, ["kind"]);
      return { kind: "loopback" };
    case "lagging":
      checkKeys(network, ["kind", "resetMs", "refuseMs"]);
      if (podAddresses === "shared") {
        throw new TypeError("podAddresses: pods of a network that lags have addresses of their own: leave it out");
      }
      return {
        kind: "lagging",
        resetMs: checkMs("network.resetMs", network.resetMs ?? 500),
        refuseMs: checkMs("network.refuseMs", network.refuseMs ?? 1_000),
      };
    default:
      throw new TypeError(`network: expected a kind of "loopback" or "lagging", got ${JSON.stringify(network)}`);
  }
}

/** A time with a typo would be the default, unnoticed. */
function checkKeys(network: object, known: readonly string[]): void {
  const unknown = Object.keys(network).filter((key) => !known.includes(key));
  if (unknown.length > 0) throw new TypeError(`network: expected only ${known.join(", ")}, got ${unknown.join(", ")}`);
}

function checkTemplate(pod: PodTemplate): Pick<ClusterSettings, "program" | "args" | "env"> {
  if (typeof pod !== "object" || pod === null || "module" in pod === "command" in pod) {
    throw new TypeError("pod: expected either {module} or {command}");
  }
  const env = pod.env ?? {};
  if ("command" in pod) {
    const [program, ...args] = checkStrings("pod.command", pod.command);
    if (program === undefined) throw new TypeError("pod.command: expected a program and its arguments, got []");
    return { program, args, env };
  }
  const execArgv = checkStrings("pod.execArgv", pod.execArgv ?? []);
  const args = checkStrings("pod.args", pod.args ?? []);
  return { program: process.execPath, args: [...execArgv, modulePath(pod.module), ...args], env };
}

function modulePath(module: URL | string): string {
  if (module instanceof URL || (typeof module === "string" && module.startsWith("file:"))) {
    const url = new URL(module);
    if (url.protocol !== "file:") throw new TypeError(`pod.module: expected a file: URL, got ${url.protocol}`);
    return fileURLToPath(url);
  }
  if (typeof module !== "string" || module === "") throw new TypeError("pod.module: expected a file: URL or a path");
  return module;
}

function checkStrings(option: string, strings: readonly string[]): readonly string[] {
  if (!Array.isArray(strings) || strings.some((text) => typeof text !== "string")) {
    throw new TypeError(`${option}: expected an array of strings, got ${JSON.stringify(strings)}`);
  }
  return strings;
}
