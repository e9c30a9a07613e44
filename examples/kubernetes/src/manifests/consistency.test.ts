import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse, parseDocument } from "yaml";
import { inconsistencies } from "./consistency.ts";
import { parseObjects } from "./go.ts";
import { describeObject, type KnownObject } from "./objects.ts";

const deploy = join(import.meta.dirname, "../../deploy");
const base = join(deploy, "base");

/** The base as kustomize renders it, as far as it matters here. */
function baseObjects(): readonly KnownObject[] {
  const { resources, namespace } = parse(readFileSync(join(base, "kustomization.yaml"), "utf8")) as {
    readonly resources: readonly string[];
    readonly namespace: string;
  };
  const objects = resources.flatMap((file) => parseObjects(readFileSync(join(base, file), "utf8"))) as KnownObject[];
  return objects.map((object) => {
    return object.kind === "Namespace" ? object : { ...object, metadata: { ...object.metadata, namespace } };
  });
}

/** The base with another value at one place of one object; `undefined`: with nothing there. */
function changed(name: string, path: readonly (string | number)[], value: unknown): readonly KnownObject[] {
  const objects = baseObjects();
  expect(objects.filter((object) => describeObject(object) === name)).toHaveLength(1);
  return objects.map((object) => {
    if (describeObject(object) !== name) return object;
    const document = parseDocument(JSON.stringify(object));
    if (value === undefined) expect(document.deleteIn(path)).toBe(true);
    else document.setIn(path, document.createNode(value));
    return document.toJS() as KnownObject;
  });
}

const pod = ["spec", "template", "spec"];
const container = [...pod, "containers", 0];
const app = "app.kubernetes.io/name";

describe("the manifests", () => {
  it("agree with one another and with the programs", () => {
    const objects = baseObjects();
    expect(objects.length).toBeGreaterThan(5);
    expect(inconsistencies(objects)).toEqual([]);
  });

  it.each([
    ["Deployment demo-server", ["spec", "selector", "matchLabels", app], "demo", "selects other pods than its own"],
    [
      "Deployment demo-server",
      [...pod, "topologySpreadConstraints", 0, "labelSelector", "matchLabels", app],
      "demo-client",
      "selects other pods than its own",
    ],
    ["Deployment demo-server", [...pod, "serviceAccountName"], "server", "no ServiceAccount server"],
    ["Deployment demo-server", [...container, "readinessProbe", "httpGet", "port"], "http", "no port http to probe"],
    ["Deployment demo-server", [...container, "livenessProbe", "httpGet", "path"], "/readyz", "probe is not /livez"],
    ["Deployment demo-server", [...pod, "terminationGracePeriodSeconds"], 29, "may need 30 s to end, and is killed"],
    ["Deployment demo-server", ["spec", "replicas"], 3, "sets the replicas that Deployment demo-server sets"],
    ["Deployment demo-client", [...container, "env", 0, "value"], "http://demo-server:80", "no Service demo-server:80"],
    ["Deployment demo-client", [...container, "env", 1, "value"], "dns", "of a Service with a ClusterIP"],
    ["Deployment demo-client", [...pod, "automountServiceAccountToken"], false, "has no token"],
    ["Service demo-server", ["spec", "selector", app], "demo", "selects the pods of 0 Deployments"],
    ["Service demo-server", ["spec", "selector"], {}, "selects the pods of 2 Deployments"],
    ["Service demo-server", ["spec", "ports", 0, "targetPort"], "http", "no container has the port http"],
    ["PodDisruptionBudget demo-server", ["spec", "selector", "matchLabels"], {}, "selects the pods of 2 Deployments"],
    ["HorizontalPodAutoscaler demo-server", ["spec", "scaleTargetRef", "name"], "server", "no Deployment server"],
    ["HorizontalPodAutoscaler demo-server", ["spec", "minReplicas"], 11, "its least is more than its most"],
    ["Role demo-client", ["metadata", "namespace"], "default", "is not in the namespace of the others"],
    ["Role demo-client", ["rules", 0, "verbs"], ["list"], "may not watch EndpointSlices"],
    ["Role demo-client", ["rules", 1, "resourceNames"], ["demo"], "may not get Service demo-server"],
    ["RoleBinding demo-client", ["subjects", 0, "name"], "client", "no ServiceAccount client in evenkeel-demo"],
    ["RoleBinding demo-client", ["subjects", 0, "namespace"], "default", "no ServiceAccount demo-client in default"],
    ["RoleBinding demo-client", ["roleRef", "name"], "client", "no Role client"],
    ["RoleBinding demo-client", ["subjects"], [], "may not list EndpointSlices"],
  ] as const)("cannot have a %s whose %j is %j", (name, path, value, problem) => {
    expect(inconsistencies(changed(name, path, value))).toContainEqual(expect.stringContaining(problem));
  });

  it("dial the pods' own port where the Service is headless", () => {
    const headless = changed("Service demo-server", ["spec"], {
      clusterIP: "None",
      selector: { [app]: "demo-server" },
      ports: [{ name: "grpc", port: 80, targetPort: "grpc" }],
    });
    expect(inconsistencies(headless)).toContainEqual(expect.stringContaining("dial 80, and pods listen on 8080"));
  });

  it("set no variable that the programs do not read", () => {
    const read = (file: string): string => readFileSync(join(import.meta.dirname, "..", file), "utf8");
    const known = new Set(
      [...`${read("server.ts")}${read("client.ts")}`.matchAll(/"([A-Z_]{3,})"/g)].map(([, name]) => name),
    );
    const files = readdirSync(deploy, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".yaml"));
    const texts = files.map((file) => readFileSync(join(deploy, file), "utf8"));
    const set = texts.flatMap((text) => [...text.matchAll(/- name: ([A-Z_]{3,})\b/g)].map(([, name]) => name));
    expect(set).toContain("DRAIN_TIMEOUT_MS");
    expect(set.filter((name) => !known.has(name))).toEqual([]);
  });
});
