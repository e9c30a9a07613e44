import { clientSettings, type Environment, type ServerSettings, serverSettings } from "../environment.ts";
import {
  type Autoscaler,
  type Container,
  type ContainerPort,
  type Deployment,
  type DisruptionBudget,
  describeObject,
  type KnownObject,
  type LabelSelector,
  type Labels,
  type PodSpec,
  type Role,
  type RoleBinding,
  type Service,
} from "./objects.ts";

/** What a server is granted beyond the delays of the lifecycle, for hooks and the end of the process. */
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

  /** What a program reads from the environment of its container, if it does not end with an error. */
  settings<Settings>(read: (env: Environment) => Settings, { env = [] }: Container): Settings | undefined {
    try {
      return read(Object.fromEntries(env.map(({ name, value }) => [name, value])));
    } catch (error) {
      this.check(false, (error as Error).message);
      return undefined;
    }
  }

  /** The one Deployment whose pods have these labels. */
  selected(labels: Labels | undefined): Deployment | undefined {
    const found = this.all("Deployment").filter(({ spec }) => selects(labels, spec.template.metadata?.labels));
    this.check(found.length === 1, `selects the pods of ${found.length} Deployments, and not of one`);
    return found.length === 1 ? found[0] : undefined;
  }
}

function checkDeployment({ metadata: { namespace }, spec }: Deployment, context: Context): void {
  const { selector, strategy, template } = spec;
  const { topologySpreadConstraints = [], containers, serviceAccountName = "default" } = template.spec;
  const selectors = [selector, ...topologySpreadConstraints.map(({ labelSelector }) => labelSelector)];
  for (const each of selectors) {
    context.check(selects(labelsOf(each), template.metadata?.labels), "selects other pods than its own");
  }
  const { maxSurge = "25%", maxUnavailable = "25%" } = strategy?.rollingUpdate ?? {};
  const canRoll = [maxSurge, maxUnavailable].some((amount) => Number.parseFloat(String(amount)) !== 0);
  context.check(canRoll, "cannot be rolled out: maxSurge and maxUnavailable are both 0");
  const hasAccount = context.named("ServiceAccount", serviceAccountName) !== undefined;
  context.check(hasAccount, `no ServiceAccount ${serviceAccountName}`);
  checkSecurity(template.spec, context);
  const programs = containers.filter(({ name }) => name === "server" || name === "client");
  context.check(programs.length === 1, `${programs.length} containers named server or client, and not one`);
  for (const container of programs) {
    if (container.name === "server") checkServer(container, template.spec, context);
    else checkClient(container, template.spec, namespace, context);
  }
}

/** What the Pod Security Standard `restricted`, which the namespace enforces, wants each container to say. */
function checkSecurity(pod: PodSpec, context: Context): void {
  for (const { name, securityContext } of pod.containers) {
    const said = { ...pod.securityContext, ...securityContext };
    const isRestricted =
      said.runAsNonRoot === true &&
      ["RuntimeDefault", "Localhost"].includes(said.seccompProfile?.type ?? "") &&
      said.allowPrivilegeEscalation === false &&
      said.capabilities?.drop?.includes("ALL") === true;
    const wanted = "runAsNonRoot, a seccompProfile, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}";
    context.check(isRestricted, `the namespace wants of container ${name}: ${wanted}`);
  }
}

function checkServer(container: Container, pod: PodSpec, context: Context): void {
  const settings = context.settings(serverSettings, container);
  if (settings === undefined) return;
  checkProbes(container, settings, context);
  const needed = (settings.readinessDelayMs + settings.drainTimeoutMs) / 1_000 + spareSeconds;
  const { terminationGracePeriodSeconds: grace = 30 } = pod;
  context.check(needed <= grace, `may need ${needed} s to end, and is killed after ${grace}`);
  context.check(container.lifecycle?.preStop === undefined, "its preStop hook uses up the grace period");
  checkRights(pod, [], context);
}

/** A client must reach the Service by its URL, and be allowed what its resolver asks for, and no more. */
function checkClient(container: Container, pod: PodSpec, ownNamespace: string | undefined, context: Context): void {
  const settings = context.settings(clientSettings, container);
  if (settings === undefined) return;
  checkProbes(container, settings, context);
  const { text, scheme, host, port } = settings.target;
  context.check(scheme === "http", `the server has no TLS for ${text}`);
  const [name = "", namespace = ownNamespace, svc = "svc"] = host.split(".");
  const service = svc === "svc" ? context.named("Service", name) : undefined;
  const isThere = service?.metadata.namespace === namespace && service?.spec.ports?.some((each) => each.port === port);
  context.check(isThere === true, `no Service ${host}:${port}`);
  if (settings.resolver === "dns") {
    const namesPods = service === undefined || service.spec.clusterIP === "None";
    context.check(namesPods, "DNS names no pods of a Service with a ClusterIP");
    checkRights(pod, [], context);
  } else {
    const slices = "endpointslices.discovery.k8s.io";
    checkRights(pod, [`list ${slices}`, `watch ${slices}`, `get services/${name}`], context);
  }
}

function checkProbes(container: Container, { probePort }: Pick<ServerSettings, "probePort">, context: Context): void {
  const { startupProbe, readinessProbe, livenessProbe, ports } = container;
  const probes = [
    ["readiness", readinessProbe, "/readyz"],
    ["liveness", livenessProbe, "/livez"],
    ...(startupProbe === undefined ? [] : [["startup", startupProbe, "/livez"] as const]),
  ] as const;
  for (const [kind, probe, path] of probes) {
    const { path: asked, port = probePort } = probe?.httpGet ?? {};
    context.check(asked === path, `its ${kind} probe is not ${path}`);
    const isAnswered = portOf(ports, port) === probePort;
    context.check(isAnswered, `its ${kind} probe asks port ${port}, and PROBE_PORT is ${probePort}`);
  }
}

/** The pods of a Deployment may do what they need, and have a token exactly if that is anything. */
function checkRights(pod: PodSpec, needed: readonly string[], context: Context): void {
  const { serviceAccountName = "default" } = pod;
  const granted = context
    .all("RoleBinding")
    .filter(({ subjects = [] }) => subjects.some(({ name }) => name === serviceAccountName))
    .flatMap(({ roleRef }) => rightsOf(context.named("Role", roleRef.name)));
  for (const right of needed) context.check(granted.includes(right), `may not ${right}`);
  for (const right of granted) context.check(needed.includes(right), `may ${right}, and does not need it`);
  const { automountServiceAccountToken: byDefault = true } = context.named("ServiceAccount", serviceAccountName) ?? {};
  const { automountServiceAccountToken: hasToken = byDefault } = pod;
  context.check(hasToken || needed.length === 0, "has no token to watch EndpointSlices with");
  context.check(!hasToken || needed.length > 0, "has a token, and does not need it");
}

/** Every port leads to the one on which the server listens. */
function checkService({ spec: { selector, ports = [], clusterIP } }: Service, context: Context): void {
  const containers = context.selected(selector)?.spec.template.spec.containers ?? [];
  const server = containers.find(({ name }) => name === "server");
  context.check(server !== undefined, "selects no server");
  const settings = server && context.settings(serverSettings, server);
  if (settings === undefined) return;
  for (const { port, targetPort = port } of ports) {
    const isServed = portOf(server?.ports, targetPort) === settings.port;
    context.check(isServed, `port ${port} leads to ${targetPort}, and the server listens on ${settings.port}`);
    const isDialled = clusterIP !== "None" || port === settings.port;
    context.check(isDialled, `clients of a headless Service dial ${port}, and pods listen on ${settings.port}`);
  }
}

function checkDisruptionBudget({ spec }: DisruptionBudget, context: Context): void {
  context.selected(labelsOf(spec.selector));
}

function checkAutoscaler({ spec }: Autoscaler, context: Context): void {
  const { scaleTargetRef, minReplicas = 1, maxReplicas, metrics = [] } = spec;
  context.check(minReplicas <= maxReplicas, "its least is more than its most");
  const target = scaleTargetRef.kind === "Deployment" ? context.named("Deployment", scaleTargetRef.name) : undefined;
  context.check(target !== undefined, `no Deployment ${scaleTargetRef.name}`);
  if (target === undefined) return;
  context.check(target.spec.replicas === undefined, `sets the replicas that ${describeObject(target)} sets`);
  for (const { resource } of metrics) {
    if (resource?.target.type !== "Utilization") continue;
    for (const { name, resources: { requests, limits } = {} } of target.spec.template.spec.containers) {
      const isRequested = { ...limits, ...requests }[resource.name] !== undefined; // a limit stands in for a request
      context.check(isRequested, `goes by the ${resource.name} that container ${name} requests, which is nothing`);
    }
  }
}

function checkRoleBinding({ roleRef, subjects = [] }: RoleBinding, context: Context): void {
  const isRole = roleRef.kind === "Role" && context.named("Role", roleRef.name) !== undefined;
  context.check(isRole, `no Role ${roleRef.name}`);
  for (const { kind, name, namespace } of subjects) {
    const account = kind === "ServiceAccount" ? context.named(kind, name) : undefined;
    const isThere = account !== undefined && (account.metadata.namespace ?? namespace) === namespace;
    context.check(isThere, `no ServiceAccount ${name} in ${namespace}`);
  }
}

function isInNamespace(object: KnownObject, objects: readonly KnownObject[]): boolean {
  const namespaces = objects.filter(({ kind }) => kind === "Namespace").map(({ metadata }) => metadata.name);
  const { namespace } = object.metadata;
  return object.kind === "Namespace" ? namespace === undefined : namespaces.length === 1 && namespace === namespaces[0];
}

/** Such as `list endpointslices.discovery.k8s.io` and `get services/orders`. */
function rightsOf(role: Role | undefined): readonly string[] {
  return (role?.rules ?? []).flatMap(({ apiGroups = [], resources = [], resourceNames = [], verbs }) =>
    verbs.flatMap((verb) =>
      resources.flatMap((resource) =>
        apiGroups.flatMap((group) =>
          (resourceNames.length > 0 ? resourceNames : [""]).map(
            (name) => `${verb} ${resource}${group && `.${group}`}${name && `/${name}`}`,
          ),
        ),
      ),
    ),
  );
}

/** The labels that an object has to have; those of no object where there is no selector. */
function labelsOf(selector: LabelSelector | undefined): Labels | undefined {
  return selector && (selector.matchLabels ?? {});
}

function selects(wanted: Labels | undefined, labels: Labels = {}): boolean {
  return wanted !== undefined && Object.entries(wanted).every(([name, value]) => labels[name] === value);
}

function portOf(ports: readonly ContainerPort[] = [], port: string | number): number | undefined {
  return typeof port === "number" ? port : ports.find(({ name }) => name === port)?.containerPort;
}
