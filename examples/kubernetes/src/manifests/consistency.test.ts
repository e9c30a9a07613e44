import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse, parseDocument } from "yaml";
import { inconsistencies } from "./consistency.ts";
import { parseObjects } from "./go.ts";
import { describeObject, type KnownObject } from "./objects.ts";

const base = join(import.meta.dirname, "../../deploy/base");

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
const env = [...container, "env"];
const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };
const resources = { requests: { cpu: "10m" } };
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
    [
      "Deployment demo-server",
      [...container, "readinessProbe", "httpGet", "port"],
      "http",
      "readiness probe asks port http, and PROBE_PORT is 8081",
    ],
    ["Deployment demo-server", [...container, "livenessProbe", "httpGet", "path"], "/readyz", "probe is not /livez"],
    ["Deployment demo-server", [...pod, "terminationGracePeriodSeconds"], 29, "may need 30 s to end, and is killed"],
    ["Deployment demo-server", env, [{ name: "DRAIN_TIMEOUT_MS", value: "20001" }], "may need 30.001 s to end"],
    ["Deployment demo-server", env, [{ name: "READINESS_DELAY_MS", value: "5s" }], "READINESS_DELAY_MS: expected an"],
    [
      "Deployment demo-server",
      [...container, "lifecycle"],
      { preStop: { sleep: { seconds: 25 } } },
      "preStop hook uses",
    ],
    ["Deployment demo-server", env, [{ name: "PROBE_PORT", value: "8082" }], "port probes, and PROBE_PORT is 8082"],
    [
      "Deployment demo-server",
      [...container, "ports", 1, "containerPort"],
      8082,
      "port probes, and PROBE_PORT is 8081",
    ],
    ["Deployment demo-server", [...container, "ports"], undefined, "asks port probes, and PROBE_PORT is 8081"],
    [
      "Deployment demo-server",
      [...container, "startupProbe", "httpGet", "port"],
      "grpc",
      "startup probe asks port grpc",
    ],
    ["Deployment demo-server", [...container, "livenessProbe"], undefined, "its liveness probe is not /livez"],
    ["Deployment demo-server", [...container, "name"], "main", "0 containers named server or client"],
    ["Deployment demo-server", [...pod, "automountServiceAccountToken"], true, "has a token, and does not need it"],
    [
      "Deployment demo-server",
      [...pod, "securityContext", "runAsNonRoot"],
      false,
      "wants of container server: runAsNon",
    ],
    ["Deployment demo-server", [...pod, "securityContext"], undefined, "wants of container server: runAsNonRoot"],
    ["Deployment demo-server", [...container, "securityContext", "capabilities"], {}, "wants of container server"],
    ["Deployment demo-server", ["spec", "strategy", "rollingUpdate", "maxSurge"], "0%", "cannot be rolled out"],
    ["Deployment demo-server", ["spec", "replicas"], 3, "sets the replicas that Deployment demo-server sets"],
    ["Deployment demo-client", [...env, 0, "value"], "http://demo-server:80", "no Service demo-server:80"],
    ["Deployment demo-client", [...env, 0, "value"], "https://demo-server:8080", "has no TLS for https://demo-server"],
    ["Deployment demo-client", [...env, 0, "value"], "demo-server:8080", 'unsupported scheme "demo-server"'],
    [
      "Deployment demo-client",
      [...env, 0, "value"],
      "http://demo-server.default:8080",
      "no Service demo-server.default",
    ],
    [
      "Deployment demo-client",
      [...env, 0, "value"],
      "http://demo-server.evenkeel-demo.pod:8080",
      "no Service demo-server",
    ],
    ["Deployment demo-client", [...env, 1, "value"], "kubernets", "RESOLVER: expected kubernetes or dns"],
    ["Deployment demo-client", [...env, 1, "value"], "dns", "of a Service with a ClusterIP"],
    ["Deployment demo-client", [...pod, "automountServiceAccountToken"], false, "has no token"],
    ["Service demo-server", ["spec", "selector", app], "demo", "selects the pods of 0 Deployments"],
    ["Service demo-server", ["spec", "selector"], {}, "selects the pods of 2 Deployments"],
    [
      "Service demo-server",
      ["spec", "ports", 0, "targetPort"],
      "http",
      "port 8080 leads to http, and the server listens on 8080",
    ],
    [
      "Service demo-server",
      ["spec", "ports", 0, "targetPort"],
      "probes",
      "leads to probes, and the server listens on 8080",
    ],
    ["Service demo-server", ["spec", "selector", app], "demo-client", "selects no server"],
    ["PodDisruptionBudget demo-server", ["spec", "selector", "matchLabels"], {}, "selects the pods of 2 Deployments"],
    ["HorizontalPodAutoscaler demo-server", ["spec", "scaleTargetRef", "name"], "server", "no Deployment server"],
    [
      "HorizontalPodAutoscaler demo-server",
      ["spec", "scaleTargetRef", "kind"],
      "StatefulSet",
      "no Deployment demo-server",
    ],
    ["HorizontalPodAutoscaler demo-server", ["spec", "minReplicas"], 11, "its least is more than its most"],
    ["Role demo-client", ["metadata", "namespace"], "default", "is not in the namespace of the others"],
    ["Role demo-client", ["rules", 0, "verbs"], ["list"], "may not watch endpointslices.discovery.k8s.io"],
    ["Role demo-client", ["rules", 1, "resourceNames"], ["demo"], "may not get services/demo-server"],
    ["Role demo-client", ["rules", 1, "resourceNames"], undefined, "may get services, and does not need it"],
    [
      "Role demo-client",
      ["rules", 1, "resources"],
      ["services", "secrets"],
      "may get secrets/demo-server, and does not",
    ],
    ["Role demo-client", ["rules", 0, "verbs"], ["list", "watch", "delete"], "may delete endpointslices.discovery"],
    ["RoleBinding demo-client", ["subjects", 0, "name"], "client", "no ServiceAccount client in evenkeel-demo"],
    ["RoleBinding demo-client", ["subjects", 0, "namespace"], "default", "no ServiceAccount demo-client in default"],
    ["RoleBinding demo-client", ["roleRef", "kind"], "ClusterRole", "no Role demo-client"],
    ["RoleBinding demo-client", ["subjects", 0, "kind"], "User", "no ServiceAccount demo-client"],
    ["RoleBinding demo-client", ["roleRef", "name"], "client", "no Role client"],
    ["RoleBinding demo-client", ["subjects"], [], "may not list endpointslices.discovery.k8s.io"],
  ] as const)("cannot have a %s whose %j is %j", (name, path, value, problem) => {
    expect(inconsistencies(changed(name, path, value))).toContainEqual(expect.stringContaining(problem));
  });

  it.each([
    ["Deployment demo-server", [...pod, "terminationGracePeriodSeconds"], undefined],
    ["Deployment demo-server", env, undefined],
    ["Deployment demo-server", [...pod, "containers", 1], { name: "sidecar", securityContext, resources }],
    ["Deployment demo-client", env, undefined],
    ["Deployment demo-client", [...env, 0, "value"], "http://demo-server.evenkeel-demo.svc.cluster.local:8080"],
    ["Service demo-server", ["spec", "ports", 0, "targetPort"], undefined],
  ] as const)("can have a %s whose %j is %j", (name, path, value) => {
    expect(inconsistencies(changed(name, path, value))).toEqual([]);
  });

  it("tell the autoscaler what its percentage is of", () => {
    const objects = changed("Deployment demo-server", [...container, "resources", "requests", "cpu"], undefined);
    expect(inconsistencies(objects)).toEqual([
      "HorizontalPodAutoscaler demo-server: goes by the cpu that container server requests, which is nothing",
    ]);
  });

  it("lead to where the server listens", () => {
    expect(inconsistencies(changed("Deployment demo-server", env, [{ name: "PORT", value: "9090" }]))).toEqual([
      "Service demo-server: port 8080 leads to grpc, and the server listens on 9090",
    ]);
  });

  it("dial the pods' own port where the Service is headless", () => {
    const headless = changed("Service demo-server", ["spec"], {
      clusterIP: "None",
      selector: { [app]: "demo-server" },
      ports: [{ name: "grpc", port: 80, targetPort: "grpc" }],
    });
    expect(inconsistencies(headless)).toContainEqual(expect.stringContaining("dial 80, and pods listen on 8080"));
  });
});
