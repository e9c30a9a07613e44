import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { ApiException, DiscoveryV1Api, KubeConfig, type KubernetesObject } from "@kubernetes/client-node";
import { type ApiServer, inCluster } from "../src/index.ts";
import type { Scene } from "./scene.ts";
import { namespace } from "./settings.ts";

/** A service account without any right, and the directory that its pods would have. */
export class Account implements AsyncDisposable {
  readonly #scene: Scene;
  readonly #directory: string;

  private constructor(scene: Scene, directory: string) {
    this.#scene = scene;
    this.#directory = directory;
  }

  static async create(scene: Scene): Promise<Account> {
    await scene.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: scene.name } });
    const directory = await mkdtemp(join(tmpdir(), "evenkeel-account-"));
    const account = new Account(scene, directory);
    await writeFile(join(directory, "ca.crt"), await certificatesOf(scene));
    await writeFile(join(directory, "namespace"), namespace);
    return account;
  }

  get apiServer(): ApiServer {
    const server = this.#scene.config.getCurrentCluster()?.server ?? "";
    const { hostname, port } = new URL(server);
    const host = hostname.replace(/^\[(.*)\]$/, "$1");
    return inCluster({ directory: this.#directory, host, port: port || 443 });
  }

  /** Mounts a new token. It holds as long as the Secret `boundTo`, if there is one; at least 10 minutes otherwise. */
  async issueToken(boundTo?: string): Promise<void> {
    const secret = { apiVersion: "v1", kind: "Secret" };
    const bound = boundTo === undefined ? {} : { boundObjectRef: { ...secret, name: boundTo } };
    const spec = { audiences: [], expirationSeconds: 600, ...bound };
    const request = { name: this.#scene.name, namespace, body: { spec } };
    const { status } = await this.#scene.core.createNamespacedServiceAccountToken(request);
    await writeFile(join(this.#directory, "token"), status?.token ?? "");
  }

  /** Whether the API server takes the token for one; it goes on to do so for 10 s after the Secret is gone. */
  async isAccepted(): Promise<boolean> {
    const cluster = this.#scene.config.getCurrentCluster();
    const config = new KubeConfig();
    const user = { name: "account", token: await readFile(join(this.#directory, "token"), "utf8") };
    if (cluster !== null) config.loadFromClusterAndUser(cluster, user);
    try {
      await config.makeApiClient(DiscoveryV1Api).listNamespacedEndpointSlice({ namespace, limit: 1 });
      return true;
    } catch (error) {
      if (error instanceof ApiException && error.code === 401) return false;
      throw error;
    }
  }

  /** Grants it what a client needs. */
  async allow(): Promise<void> {
    const { name } = this.#scene;
    const rules = [{ apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"] }];
    const role = { apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role", metadata: { name }, rules };
    await this.#scene.create(role);
    await this.bind(name);
  }

  /** Binds a Role of the namespace to it. */
  async bind(role: string): Promise<void> {
    const group = "rbac.authorization.k8s.io";
    const { name } = this.#scene;
    await this.#scene.create({
      apiVersion: `${group}/v1`,
      kind: "RoleBinding",
      metadata: { name },
      subjects: [{ kind: "ServiceAccount", name, namespace }],
      roleRef: { apiGroup: group, kind: "Role", name: role },
    } as KubernetesObject);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true });
  }
}

async function certificatesOf({ config }: Scene): Promise<string> {
  const { caData, caFile } = config.getCurrentCluster() ?? {};
  if (caData !== undefined) return Buffer.from(caData, "base64").toString();
  return caFile === undefined ? rootCertificates.join("\n") : await readFile(caFile, "utf8");
}
