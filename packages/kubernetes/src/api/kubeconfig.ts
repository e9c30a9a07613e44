import { stat } from "node:fs/promises";
import type { RequestOptions } from "node:https";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { messageOf } from "@evenkeel/core";
import type { Cluster, KubeConfig } from "@kubernetes/client-node";
import { checkTexts } from "../option-checks.ts";
import type { ApiAccess, ApiServer } from "./api-server.ts";

export interface KubeconfigOptions {
  /** Default: the files that `KUBECONFIG` names, else `~/.kube/config`. */
  readonly path?: string;
  /** Default: the file's current context. */
  readonly context?: string;
}

/**
 * The API server of a kubeconfig, with all its ways to authenticate, exec plugins among them. Reads it with
 * `@kubernetes/client-node`, which has to be installed, and is imported with the first request. Throws a `TypeError` for
 * a bad option.
 */
export function kubeconfig(options: KubeconfigOptions = {}): ApiServer {
  checkTexts("kubeconfig", options, ["path", "context"]);
  const key = JSON.stringify(["kubeconfig", options.path ?? process.env["KUBECONFIG"], options.context]);
  let loaded: { readonly stamp: string; readonly config: KubeConfig } | undefined;
  const load = async (): Promise<KubeConfig> => {
    const stamp = await stampOf(options.path);
    // kept while it is as it was: with it go the tokens of exec plugins, which last
    if (loaded?.stamp !== stamp) loaded = { stamp, config: await loadConfig(options) };
    return loaded.config;
  };
  return {
    key,
    access: async () => accessOf(await load()),
    refused() {
      loaded = undefined;
    },
  };
}

const defaultPath = join(homedir(), ".kube", "config");

/** The context that the package makes up where it finds no file: http://localhost:8080. */
const ofNoFile = "loaded-context";

/** Changes with the files. */
async function stampOf(path: string | undefined): Promise<string> {
  const files = path !== undefined ? [path] : (process.env["KUBECONFIG"] || defaultPath).split(delimiter);
  const states = files.map(async (file) => {
    const found = await stat(file).catch(() => undefined);
    return [found?.mtimeMs, found?.size, found?.ino];
  });
  return JSON.stringify([files, ...(await Promise.all(states))]);
}

async function loadConfig({ path, context }: KubeconfigOptions): Promise<KubeConfig> {
  const config = new (await importKubeConfig())();
  try {
    if (path === undefined) config.loadFromDefault();
    else config.loadFromFile(path);
  } catch (cause) {
    throw new Error(`the kubeconfig cannot be read: ${messageOf(cause)}`, { cause });
  }
  if (context !== undefined) config.setCurrentContext(context);
  const current = config.getContextObject(config.getCurrentContext());
  if (current === null || config.getCurrentCluster() === null) {
    const contexts = config.getContexts().map(({ name }) => JSON.stringify(name));
    const name = JSON.stringify(config.getCurrentContext() ?? "");
    throw new Error(`the kubeconfig has no context ${name}; it has ${contexts.join(", ") || "none"}`);
  }
  if (path === undefined && current.name === ofNoFile) {
    throw new Error("there is no kubeconfig: KUBECONFIG is not set, and ~/.kube/config is not there");
  }
  return config;
}

async function accessOf(config: KubeConfig): Promise<ApiAccess> {
  const cluster = config.getCurrentCluster() as Cluster;
  const request: RequestOptions = {};
  // plain HTTP has nothing to verify; the package wants to hear so
  if (cluster.server.startsWith("http:")) Object.assign(cluster, { skipTLSVerify: true });
  await config.applyToHTTPSOptions(request);
  return {
    url: new URL(cluster.server),
    options: ownOptions(request, cluster),
    namespace: config.getContextObject(config.getCurrentContext())?.namespace ?? "default",
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
