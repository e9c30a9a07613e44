import { checkKeys, numberOption, typeOption } from "../options.ts";
import type { SplitOptions } from "./locality-split.ts";

export interface LocalityOptions {
  /**
   * The zone of this client. Default: what the endpoints' attribute `clientZone` says, which `kubernetes()` sets, else the
   * environment's `POD_ZONE`.
   */
  readonly zone?: string;
  /**
   * Whether topology hints (`forZones`) say which endpoints are local, instead of their zones: where every ready endpoint
   * has some, and one is for this zone, as with kube-proxy, and they do not overload those endpoints. Default "honour".
   */
  readonly hints?: "honour" | "ignore";
  /** RPCs go elsewhere when fewer than 1 / this of the local endpoints are ready: Envoy's factor. 1 to 100, default 1.4. */
  readonly overprovisioning?: number;
  /**
   * How much busier than others local endpoints may be. RPCs go elsewhere where more is to be expected, of a zone with
   * few endpoints, and where more is measured. `Infinity`: whatever they bear. At least 1, default 1.25.
   */
  readonly maxLoadRatio?: number;
  /**
   * The share of RPCs that goes elsewhere at all times, to compare: Envoy's name. 0: nothing is measured. 0 to 0.5, default
   * 0.03, or 0 where `maxLoadRatio` is `Infinity`.
   */
  readonly remoteProbeFraction?: number;
}

/** With every default. */
export interface CheckedLocalityOptions extends SplitOptions {
  readonly remoteProbeFraction: number;
}

/** Throws a `TypeError` or `RangeError` that names the option. */
export function checkLocalityOptions(options: LocalityOptions): CheckedLocalityOptions {
  checkKeys("locality", options, ["zone", "hints", "overprovisioning", "maxLoadRatio", "remoteProbeFraction"]);
  const { zone, hints = "honour", overprovisioning = 1.4, maxLoadRatio = 1.25 } = options;
  if (zone !== undefined && typeOption("locality.zone", zone, "string") === "") {
    throw new TypeError("locality.zone: expected the name of a zone, got none");
  }
  if (hints !== "honour" && hints !== "ignore") {
    throw new TypeError(`locality.hints: expected "honour" or "ignore", got ${String(hints)}`);
  }
  const isUnbounded = numberOption("locality.maxLoadRatio", maxLoadRatio, { min: 1, max: Infinity }) === Infinity;
  const { remoteProbeFraction = isUnbounded ? 0 : 0.03 } = options;
  if (numberOption("locality.remoteProbeFraction", remoteProbeFraction, { min: 0, max: 0.5 }) > 0 && isUnbounded) {
    throw new RangeError("locality.remoteProbeFraction: there is nothing to compare where maxLoadRatio is Infinity");
  }
  return {
    zone,
    defaultZone: process.env["POD_ZONE"] || undefined,
    hints,
    overprovisioning: numberOption("locality.overprovisioning", overprovisioning, { min: 1, max: 100 }),
    maxLoadRatio,
    remoteProbeFraction,
  };
}
