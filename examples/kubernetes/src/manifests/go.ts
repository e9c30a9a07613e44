import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { parseAllDocuments } from "yaml";
import type { KubernetesObject } from "./objects.ts";
import type { OpenApiDocument } from "./schemas.ts";

/** What a tool said of its failure, or that it is missing. */
export class ToolError extends Error {}

/** The objects of a kustomization. Rejects with a `ToolError` that says what kustomize said. */
export async function render(directory: string): Promise<readonly KubernetesObject[]> {
  return parseObjects(await go("tool", "kustomize", "build", directory));
}

/** The objects in a YAML text. Throws an `Error` for what is no YAML. */
export function parseObjects(text: string): readonly KubernetesObject[] {
  return parseAllDocuments(text).map((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0];
    return document.toJS() as KubernetesObject;
  });
}

export interface PublishedSchemas {
  /** Of Kubernetes, such as "1.30". */
  readonly version: string;
  /** The OpenAPI document of an apiVersion, if there is one. */
  read(apiVersion: string): OpenApiDocument | undefined;
}

/**
 * The schemas of the newest Kubernetes that kubectl-validate carries, as its API server publishes them. Only its files
 * are used: to build it takes minutes. Rejects with a `ToolError`.
 */
export async function publishedSchemas(): Promise<PublishedSchemas> {
  const { Dir: module } = JSON.parse(await go("mod", "download", "-json", "sigs.k8s.io/kubectl-validate")) as {
    readonly Dir: string;
  };
  const all = join(module, "pkg/openapiclient/builtins");
  const version = readdirSync(all)
    .sort(new Intl.Collator("en", { numeric: true }).compare)
    .at(-1);
  if (version === undefined) throw new Error(`there are no schemas in ${all}`);
  return {
    version,
    read(apiVersion) {
      const path = `${apiVersion.includes("/") ? "apis" : "api"}/${apiVersion}.json`;
      try {
        return JSON.parse(readFileSync(join(all, version, path), "utf8")) as OpenApiDocument;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw error;
      }
    },
  };
}

/** Runs go in this folder, whose go.mod pins what is used; stdout. Rejects with a `ToolError`. */
async function go(...args: string[]): Promise<string> {
  try {
    const options = { cwd: import.meta.dirname, env: { ...process.env, GOWORK: "off" }, maxBuffer: 2 ** 26 };
    return (await promisify(execFile)("go", args, options)).stdout;
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    const missing = "go is missing: install Go 1.26 or later, see https://go.dev/dl";
    throw new ToolError(isMissing ? missing : (error as Error).message.trimEnd(), { cause: error });
  }
}
