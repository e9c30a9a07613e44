import type { RequestOptions } from "node:https";
import type { Cluster, KubeConfig } from "@kubernetes/client-node";
import type { ApiAccess, ApiServer } from "./api-server.ts";

export interface KubeconfigOptions {
  /** Default: the files that `KUBECONFIG` names, else `~/.kube/config`. */
  readonly path?: string;
  /** Default: the file's current context. */
  readonly context?: string;
}

/**
 * The API server of a kubeconfig, with all its ways to authenticate, exec plugins among them. Reads it with
 * `@kubernetes/client-node`, which has to be installed, and is imported with the first request.
 */
export function kubeconfig(options: KubeconfigOptions = {}): ApiServer {
  const key = JSON.stringify(["kubeconfig", options.path ?? process.env["KUBECONFIG"], options.context]);
  return { key, access: () => readAccess(options) };
}

async function readAccess({ path, context }: KubeconfigOptions): Promise<ApiAccess> {
  const config = new (await importKubeConfig())();
  if (path === undefined) config.loadFromDefault();
  else config.loadFromFile(path);
  if (context !== undefined) config.setCurrentContext(context);
  const current = config.getContextObject(config.getCurrentContext());
  const cluster = config.getCurrentCluster();
  if (current === null || cluster === null) {
    const contexts = config.getContexts().map(({ name }) => JSON.stringify(name));
    const name = JSON.stringify(config.getCurrentContext() ?? "");
    throw new Error(`the kubeconfig has no context ${name}; it has ${contexts.join(", ") || "none"}`);
  }
  const request: RequestOptions = {};
  await config.applyToHTTPSOptions(request);
  return {
    url: new URL(cluster.server),
    options: ownOptions(request, cluster),
    namespace: current.namespace ?? "default",
  };
}

/** Without an agent, unless that is what leads through a proxy: connections are ours to keep. */
function ownOptions({ agent, ...options }: RequestOptions, { proxyUrl }: Cluster): ApiAccess["options"] {
  return proxyUrl === undefined || agent === undefined ? options : { ...options, agent };
}

async function importKubeConfig(): Promise<typeof KubeConfig> {
  try {
    return (await import("@kubernetes/client-node")).KubeConfig;
  } catch (cause) {
    throw new Error("a kubeconfig is read with @kubernetes/client-node: install it", { cause });
  }
}
