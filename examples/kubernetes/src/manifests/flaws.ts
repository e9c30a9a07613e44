import { parseDocument } from "yaml";
import type { KubernetesObject } from "./objects.ts";

/** A mistake that the check has to find. */
export interface Flaw {
  readonly name: string;
  /** Where in a Deployment. */
  readonly path: readonly (string | number)[];
  /** What stands there instead; `undefined`: nothing. */
  readonly value: unknown;
  /** What the check says of it. */
  readonly expected: RegExp;
}

const container = ["spec", "template", "spec", "containers", 0];

export const flaws: readonly Flaw[] = [
  {
    name: "a field that is misspelt",
    path: [...container, "livenessProb"],
    value: {},
    expected: /containers\/0 must NOT have additional properties: livenessProb$/,
  },
  {
    name: "a value of the wrong type",
    path: ["spec", "template", "spec", "terminationGracePeriodSeconds"],
    value: "30",
    expected: /terminationGracePeriodSeconds must be integer$/,
  },
  {
    name: "a unit that does not exist",
    path: [...container, "resources", "limits", "memory"],
    value: "256MB",
    expected: /limits\/memory must match pattern/,
  },
  {
    name: "an apiVersion that is gone",
    path: ["apiVersion"],
    value: "apps/v1beta2",
    expected: /apps\/v1beta2 has no kind Deployment$/,
  },
  {
    name: "a required field that is missing",
    path: ["spec", "selector"],
    value: undefined,
    expected: /spec must have required property 'selector'$/,
  },
];

/** A copy of the object with the mistake. */
export function spoil(object: KubernetesObject, { path, value }: Flaw): KubernetesObject {
  const document = parseDocument(JSON.stringify(object));
  if (value === undefined) document.deleteIn(path);
  else document.setIn(path, document.createNode(value));
  return document.toJS() as KubernetesObject;
}
