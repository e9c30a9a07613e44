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

interface LabelSelector {
  readonly matchLabels: Labels;
}

/** Of the objects in these manifests, what is checked beyond their schemas. */
export interface Deployment extends KubernetesObject {
  readonly kind: "Deployment";
  readonly spec: {
    readonly selector: LabelSelector;
    readonly replicas?: number;
    readonly template: { readonly metadata: { readonly labels: Labels }; readonly spec: PodSpec };
  };
}

export interface PodSpec {
  readonly serviceAccountName: string;
  readonly automountServiceAccountToken: boolean;
  readonly terminationGracePeriodSeconds: number;
  readonly topologySpreadConstraints?: readonly { readonly labelSelector: LabelSelector }[];
  readonly containers: readonly Container[];
}

export interface Container {
  readonly name: string;
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly readinessProbe: HttpProbe;
  readonly livenessProbe: HttpProbe;
}

export interface HttpProbe {
  readonly httpGet: { readonly path: string; readonly port: string | number };
}

export interface Service extends KubernetesObject {
  readonly kind: "Service";
  readonly spec: {
    readonly clusterIP?: string;
    readonly selector: Labels;
    readonly ports: readonly { readonly name: string; readonly port: number; readonly targetPort: string | number }[];
  };
}

export interface DisruptionBudget extends KubernetesObject {
  readonly kind: "PodDisruptionBudget";
  readonly spec: { readonly selector: LabelSelector };
}

export interface Autoscaler extends KubernetesObject {
  readonly kind: "HorizontalPodAutoscaler";
  readonly spec: {
    readonly scaleTargetRef: { readonly kind: string; readonly name: string };
    readonly minReplicas: number;
    readonly maxReplicas: number;
  };
}

export interface Role extends KubernetesObject {
  readonly kind: "Role";
  readonly rules: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly resourceNames?: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

export interface RoleBinding extends KubernetesObject {
  readonly kind: "RoleBinding";
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects: readonly { readonly kind: string; readonly name: string; readonly namespace: string }[];
}

export interface ServiceAccount extends KubernetesObject {
  readonly kind: "ServiceAccount";
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
