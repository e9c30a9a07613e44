/** What every object of a cluster has. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Labels;
}

export type Labels = Readonly<Record<string, string>>;

export interface LabelSelector {
  readonly matchLabels?: Labels;
}

/** Of the objects in these manifests, what is checked beyond their schemas; optional is what it is there. */
export interface Deployment extends KubernetesObject {
  readonly kind: "Deployment";
  readonly spec: {
    readonly selector: LabelSelector;
    readonly replicas?: number;
    readonly strategy?: { readonly rollingUpdate?: RollingUpdate };
    readonly template: { readonly metadata?: { readonly labels?: Labels }; readonly spec: PodSpec };
  };
}

export interface RollingUpdate {
  readonly maxSurge?: number | string;
  readonly maxUnavailable?: number | string;
}

export interface PodSpec {
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly securityContext?: SecurityContext;
  readonly topologySpreadConstraints?: readonly { readonly labelSelector?: LabelSelector }[];
  readonly containers: readonly Container[];
}

export interface Container {
  readonly name: string;
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly ports?: readonly ContainerPort[];
  readonly startupProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly lifecycle?: { readonly preStop?: unknown };
  readonly resources?: { readonly requests?: Amounts; readonly limits?: Amounts };
  readonly securityContext?: SecurityContext;
}

export interface ContainerPort {
  readonly name?: string;
  readonly containerPort: number;
}

/** By resource: cpu, memory. */
export type Amounts = Readonly<Record<string, string | number>>;

export interface Probe {
  readonly httpGet?: { readonly path?: string; readonly port: string | number };
}

/** Of a pod, or of a container, whose own fields count before the pod's. */
export interface SecurityContext {
  readonly runAsNonRoot?: boolean;
  readonly seccompProfile?: { readonly type: string };
  readonly allowPrivilegeEscalation?: boolean;
  readonly capabilities?: { readonly drop?: readonly string[] };
}

export interface Service extends KubernetesObject {
  readonly kind: "Service";
  readonly spec: {
    readonly clusterIP?: string;
    readonly selector?: Labels;
    readonly ports?: readonly { readonly port: number; readonly targetPort?: string | number }[];
  };
}

export interface DisruptionBudget extends KubernetesObject {
  readonly kind: "PodDisruptionBudget";
  readonly spec: { readonly selector?: LabelSelector };
}

export interface Autoscaler extends KubernetesObject {
  readonly kind: "HorizontalPodAutoscaler";
  readonly spec: {
    readonly scaleTargetRef: { readonly kind: string; readonly name: string };
    readonly minReplicas?: number;
    readonly maxReplicas: number;
    readonly metrics?: readonly {
      readonly resource?: { readonly name: string; readonly target: { readonly type: string } };
    }[];
  };
}

export interface Role extends KubernetesObject {
  readonly kind: "Role";
  readonly rules?: readonly {
    readonly apiGroups?: readonly string[];
    readonly resources?: readonly string[];
    readonly resourceNames?: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

export interface RoleBinding extends KubernetesObject {
  readonly kind: "RoleBinding";
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly { readonly kind: string; readonly name: string; readonly namespace?: string }[];
}

export interface ServiceAccount extends KubernetesObject {
  readonly kind: "ServiceAccount";
  readonly automountServiceAccountToken?: boolean;
}

export interface Namespace extends KubernetesObject {
  readonly kind: "Namespace";
}

export type KnownObject =
  | Autoscaler
  | Deployment
  | DisruptionBudget
  | Namespace
  | Role
  | RoleBinding
  | Service
  | ServiceAccount;

/** How messages name an object: `Deployment demo-server`. */
export function describeObject({ kind, metadata }: KubernetesObject): string {
  return `${kind} ${metadata?.name}`;
}
