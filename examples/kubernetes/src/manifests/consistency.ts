import {
  type Autoscaler,
  type Container,
  type Deployment,
  type DisruptionBudget,
  describeObject,
  type KnownObject,
  type Labels,
  type Role,
  type RoleBinding,
  type Service,
} from "./objects.ts";

/** What the kubelet wants beyond the delays of the lifecycle, for hooks and the end of the process. */
const spareSeconds = 5;

/**
 * What no schema knows: whether objects that name one another agree, and whether they agree with the programs. Returns
 * what is wrong.
 */
export function inconsistencies(objects: readonly KnownObject[]): readonly string[] {
  return objects.flatMap((object) => {
    const context = new Context(objects, object);
    context.check(isInNamespace(object, objects), "is not in the namespace of the others");
    if (object.kind === "Deployment") checkDeployment(object, context);
    else if (object.kind === "Service") checkService(object, context);
    else if (object.kind === "PodDisruptionBudget") checkDisruptionBudget(object, context);
    else if (object.kind === "HorizontalPodAutoscaler") checkAutoscaler(object, context);
    else if (object.kind === "RoleBinding") checkRoleBinding(object, context);
    return context.problems;
  });
}

/** One object, those around it, and what is wrong with it. */
class Context {
  readonly problems: string[] = [];
  readonly #objects: readonly KnownObject[];
  readonly #name: string;

  constructor(objects: readonly KnownObject[], object: KnownObject) {
    this.#objects = objects;
    this.#name = describeObject(object);
  }

  check(isRight: boolean, problem: string): void {
    if (!isRight) this.problems.push(`${this.#name}: ${problem}`);
  }

  all<Kind extends KnownObject["kind"]>(kind: Kind): readonly Extract<KnownObject, { kind: Kind }>[] {
    return this.#objects.filter((object) => object.kind === kind) as Extract<KnownObject, { kind: Kind }>[];
  }

  named<Kind extends KnownObject["kind"]>(kind: Kind, name: string): Extract<KnownObject, { kind: Kind }> | undefined {
    return this.all(kind).find(({ metadata }) => metadata.name === name);
  }

  /** The one Deployment whose pods have these labels. */
  selected(labels: Labels): Deployment | undefined {
    const found = this.all("Deployment").filter(({ spec }) => selects(labels, spec.template.metadata.labels));
    this.check(found.length === 1, `selects the pods of ${found.length} Deployments, and not of one`);
    return found.length === 1 ? found[0] : undefined;
  }
}

function checkDeployment({ spec: { selector, template } }: Deployment, context: Context): void {
  const { serviceAccountName, topologySpreadConstraints = [], containers } = template.spec;
  const selectors = [selector, ...topologySpreadConstraints.map(({ labelSelector }) => labelSelector)];
  for (const { matchLabels } of selectors) {
    context.check(selects(matchLabels, template.metadata.labels), "selects other pods than its own");
  }
  context.check(
    context.named("ServiceAccount", serviceAccountName) !== undefined,
    `no ServiceAccount ${serviceAccountName}`,
  );
  for (const container of containers) {
    checkProbes(container, context);
    checkTimes(container, template.spec.terminationGracePeriodSeconds, context);
    if (envOf(container, "TARGET") !== undefined) checkClient(container, template.spec, context);
  }
}

function checkProbes({ readinessProbe, livenessProbe, ports }: Container, context: Context): void {
  context.check(readinessProbe.httpGet.path === "/readyz", "its readiness probe is not /readyz");
  context.check(livenessProbe.httpGet.path === "/livez", "its liveness probe is not /livez");
  for (const { httpGet } of [readinessProbe, livenessProbe]) {
    context.check(hasPort(ports, httpGet.port), `no port ${httpGet.port} to probe`);
  }
}

function checkTimes(container: Container, graceSeconds: number, context: Context): void {
  const [delay, drain] = [envOf(container, "READINESS_DELAY_MS"), envOf(container, "DRAIN_TIMEOUT_MS")];
  if (delay === undefined && drain === undefined) return;
  const needed = (Number(delay) + Number(drain)) / 1_000 + spareSeconds;
  context.check(needed <= graceSeconds, `may need ${needed} s to end, and is killed after ${graceSeconds}`);
}

/** A client must reach the Service by its URL, and be allowed what its resolver asks for, and no more. */
function checkClient(container: Container, pod: Deployment["spec"]["template"]["spec"], context: Context): void {
  const { hostname, port } = new URL(envOf(container, "TARGET") ?? "");
  const wanted = Number(port || 80);
  const service = context.named("Service", hostname);
  context.check(service?.spec.ports.some((each) => each.port === wanted) === true, `no Service ${hostname}:${wanted}`);
  const grants = context
    .all("RoleBinding")
    .filter(({ subjects }) => subjects.some(({ name }) => name === pod.serviceAccountName))
    .map(({ roleRef }) => context.named("Role", roleRef.name));
  const may = (verb: string, group: string, resource: string): boolean =>
    grants.some((role) => role !== undefined && allows(role, verb, group, resource, hostname));
  if (envOf(container, "RESOLVER") === "kubernetes") {
    context.check(pod.automountServiceAccountToken, "has no token to watch EndpointSlices with");
    for (const verb of ["list", "watch"]) {
      context.check(may(verb, "discovery.k8s.io", "endpointslices"), `may not ${verb} EndpointSlices`);
    }
    context.check(may("get", "", "services"), `may not get Service ${hostname}`);
  } else {
    context.check(service?.spec.clusterIP === "None", "DNS names no pods of a Service with a ClusterIP");
    context.check(!pod.automountServiceAccountToken && grants.length === 0, "needs neither token nor permission");
  }
}

function checkService({ spec: { selector, ports, clusterIP } }: Service, context: Context): void {
  const containerPorts = context.selected(selector)?.spec.template.spec.containers.flatMap((each) => each.ports) ?? [];
  for (const { port, targetPort } of ports) {
    const target = containerPorts.find(
      ({ name, containerPort }) => targetPort === name || targetPort === containerPort,
    );
    context.check(target !== undefined, `no container has the port ${targetPort}`);
    const isDialled = clusterIP !== "None" || target?.containerPort === port;
    context.check(isDialled, `clients of a headless Service dial ${port}, and pods listen on ${target?.containerPort}`);
  }
}

function checkDisruptionBudget({ spec }: DisruptionBudget, context: Context): void {
  context.selected(spec.selector.matchLabels);
}

function checkAutoscaler({ spec }: Autoscaler, context: Context): void {
  const target = context.named("Deployment", spec.scaleTargetRef.name);
  context.check(target !== undefined, `no Deployment ${spec.scaleTargetRef.name}`);
  context.check(target?.spec.replicas === undefined, `sets the replicas that Deployment ${target?.metadata.name} sets`);
  context.check(spec.minReplicas <= spec.maxReplicas, "its least is more than its most");
}

function checkRoleBinding({ roleRef, subjects }: RoleBinding, context: Context): void {
  context.check(context.named("Role", roleRef.name) !== undefined, `no Role ${roleRef.name}`);
  for (const { name, namespace } of subjects) {
    const account = context.named("ServiceAccount", name);
    const isThere = account !== undefined && (account.metadata.namespace ?? namespace) === namespace;
    context.check(isThere, `no ServiceAccount ${name} in ${namespace}`);
  }
}

function isInNamespace(object: KnownObject, objects: readonly KnownObject[]): boolean {
  const namespaces = objects.filter(({ kind }) => kind === "Namespace").map(({ metadata }) => metadata.name);
  const { namespace } = object.metadata;
  return object.kind === "Namespace" ? namespace === undefined : namespaces.length === 1 && namespace === namespaces[0];
}

function allows({ rules }: Role, verb: string, group: string, resource: string, name: string): boolean {
  return rules.some(({ apiGroups, resources, resourceNames, verbs }) => {
    const isOfName = resourceNames === undefined || (verb === "get" && resourceNames.includes(name));
    return apiGroups.includes(group) && resources.includes(resource) && verbs.includes(verb) && isOfName;
  });
}

function selects(selector: Labels, labels: Labels): boolean {
  return Object.entries(selector).every(([name, value]) => labels[name] === value);
}

function hasPort(ports: Container["ports"], port: string | number): boolean {
  return ports.some(({ name, containerPort }) => port === name || port === containerPort);
}

function envOf({ env }: Container, name: string): string | undefined {
  return env.find((each) => each.name === name)?.value;
}
