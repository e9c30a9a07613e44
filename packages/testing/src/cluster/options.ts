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
  readonly zones: readonly string[];
  readonly propagationMs: number;
  readonly killDetectionMs: number;
  readonly startupTimeoutMs: number;
  readonly terminationGraceMs: number;
}

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
