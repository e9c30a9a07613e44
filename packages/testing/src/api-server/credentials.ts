import { randomBytes, randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What a pod finds at `/var/run/secrets/kubernetes.io/serviceaccount`, and in its environment. */
export interface ServiceAccount {
  readonly directory: string;
  readonly host: string;
  readonly port: number;
}

/** What a request brought: a token that counts, one that does not, or none. */
export type Authentication = "valid" | "invalid" | "anonymous";

/** Tokens, and the files that hand them out, in a directory that is removed at the end. */
export class Credentials {
  readonly directory: string;
  readonly kubeconfigPath: string;
  readonly #root: string;
  readonly #namespace: string;
  readonly #url: string;
  readonly #ca: string | undefined;
  /** Until when each is taken, in milliseconds of `performance.now()`. */
  readonly #tokens = new Map<string, number>();
  #token = "";
  #issued = 0;

  /** Without `ca` the server is one without TLS, and takes requests without a token. */
  constructor(namespace: string, url: string, ca: string | undefined) {
    this.#root = mkdtempSync(join(tmpdir(), "evenkeel-api-server-"));
    this.directory = join(this.#root, "serviceaccount");
    this.kubeconfigPath = join(this.#root, "kubeconfig");
    this.#namespace = namespace;
    this.#url = url;
    this.#ca = ca;
    mkdirSync(this.directory);
    this.rotate(0);
    for (const name of ["token", "namespace", ...(ca === undefined ? [] : ["ca.crt"])]) {
      symlinkSync(join("..data", name), join(this.directory, name));
    }
  }

  get token(): string {
    return this.#token;
  }

  get user(): string {
    return `system:serviceaccount:${this.#namespace}:default`;
  }

  /** Issues a token, and writes the files. The one before counts for `graceMs` milliseconds. */
  rotate(graceMs: number): string {
    if (this.#token !== "") this.#tokens.set(this.#token, performance.now() + graceMs);
    this.#token = this.#issue();
    this.#tokens.set(this.#token, Number.POSITIVE_INFINITY);
    this.#writeServiceAccount();
    const temporary = `${this.kubeconfigPath}.tmp`;
    writeFileSync(temporary, this.#kubeconfig());
    renameSync(temporary, this.kubeconfigPath);
    return this.#token;
  }

  /** Judges the header `authorization`. */
  check(authorization: string | undefined): Authentication {
    if (this.#ca === undefined) return "valid";
    if (authorization === undefined) return "anonymous";
    const token = /^bearer (.+)$/i.exec(authorization)?.[1];
    if (token === undefined) return "anonymous"; // no scheme of ours: nobody looked at it
    return performance.now() < (this.#tokens.get(token) ?? 0) ? "valid" : "invalid";
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true });
  }

  /** As kubelet writes a volume: a directory for each version, and a link to it that is replaced by a rename. */
  #writeServiceAccount(): void {
    const link = join(this.directory, "..data");
    const version = `..${new Date().toISOString().replace(/\D+/g, "_")}.${randomBytes(4).readUInt32LE()}`;
    const directory = join(this.directory, version);
    mkdirSync(directory);
    writeFileSync(join(directory, "token"), this.#token, { mode: 0o600 });
    writeFileSync(join(directory, "namespace"), this.#namespace);
    if (this.#ca !== undefined) writeFileSync(join(directory, "ca.crt"), this.#ca);
    const before = this.#issued++ === 0 ? undefined : readlinkSync(link);
    symlinkSync(version, `${link}_tmp`);
    renameSync(`${link}_tmp`, link);
    if (before !== undefined) rmSync(join(this.directory, before), { recursive: true });
  }

  /** A JWT by its looks, with the claims of a token that is bound to a pod; nobody has signed it. */
  #issue(): string {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      aud: ["https://kubernetes.default.svc.cluster.local"],
      exp: now + 3_607,
      iat: now,
      iss: "https://kubernetes.default.svc.cluster.local",
      jti: randomUUID(),
      "kubernetes.io": { namespace: this.#namespace, serviceaccount: { name: "default" } },
      nbf: now,
      sub: this.user,
    };
    const parts = [{ alg: "RS256", kid: "pretend" }, claims].map((part) => Buffer.from(JSON.stringify(part)));
    return [...parts, randomBytes(64)].map((part) => part.toString("base64url")).join(".");
  }

  /** In JSON, which is YAML. */
  #kubeconfig(): string {
    const name = "pretend";
    const ca = this.#ca;
    const authority = ca === undefined ? {} : { "certificate-authority-data": Buffer.from(ca).toString("base64") };
    return JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name, cluster: { server: this.#url, ...authority } }],
      users: [{ name, user: ca === undefined ? {} : { token: this.#token } }],
      contexts: [{ name, context: { cluster: name, user: name, namespace: this.#namespace } }],
      "current-context": name,
    });
  }
}
