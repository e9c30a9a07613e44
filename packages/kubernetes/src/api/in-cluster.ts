import { readFile } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { messageOf } from "@evenkeel/core";
import { checkNames, checkTexts } from "../option-checks.ts";
import type { ApiAccess, ApiServer } from "./api-server.ts";

const kubernetesDirectory = "/var/run/secrets/kubernetes.io/serviceaccount";

export interface InClusterOptions {
  /** Where `token`, `ca.crt` and `namespace` are. Default `/var/run/secrets/kubernetes.io/serviceaccount`. */
  readonly directory?: string;
  /** Default: the environment's `KUBERNETES_SERVICE_HOST`. */
  readonly host?: string;
  /** Default: the environment's `KUBERNETES_SERVICE_PORT`, else 443. */
  readonly port?: number | string;
}

/**
 * The API server of the cluster that this process is a pod of, as its service account. Token and CA are read for each
 * request: the kubelet rotates them. Throws a `TypeError` for a bad option.
 */
export function inCluster(options: InClusterOptions = {}): ApiServer {
  const { directory = kubernetesDirectory, host: givenHost, port: givenPort } = options;
  checkNames("inCluster", options, ["directory", "host", "port"]);
  checkTexts("inCluster", { directory, host: givenHost }, ["directory", "host"]);
  const host = givenHost ?? process.env["KUBERNETES_SERVICE_HOST"] ?? "";
  const port = String(givenPort ?? process.env["KUBERNETES_SERVICE_PORT"] ?? 443);
  const origin = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`;
  if (host !== "" && (!/^[^/@?#\s]+$/.test(host) || !URL.canParse(origin))) {
    throw new TypeError(`inCluster: host, port: expected those of an API server, got ${JSON.stringify([host, port])}`);
  }
  return {
    key: JSON.stringify(["inCluster", host, port, directory]),
    async access(): Promise<ApiAccess> {
      if (host === "")
        throw new Error(`this process is not in a pod: KUBERNETES_SERVICE_HOST is not set; ${otherwise}`);
      const [token, ca, namespace] = await Promise.all([
        read(directory, "token"),
        read(directory, "ca.crt"),
        readFile(join(directory, "namespace"), "utf8").catch(() => ""),
      ]);
      return {
        url: new URL(origin),
        options: { ca, headers: { authorization: `Bearer ${token.trim()}` } },
        namespace: namespace.trim() || undefined,
      };
    },
  };
}

const otherwise = "outside of a cluster use kubernetes({ apiServer: kubeconfig() }), or another resolver";

async function read(directory: string, name: string): Promise<string> {
  try {
    return await readFile(join(directory, name), "utf8");
  } catch (cause) {
    const remedy = "give the pod a service account, and do not set automountServiceAccountToken to false";
    throw new Error(`no service account: ${messageOf(cause)}; ${remedy}; ${otherwise}`, { cause });
  }
}
