import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { cert } from "../../../server/test-helpers/certificate.ts";
import { startHttpApi } from "../../test-helpers/api-server.ts";
import { ApiClient } from "./api-client.ts";
import type { ApiServer } from "./api-server.ts";
import { kubeconfig } from "./kubeconfig.ts";

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "kubeconfig-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  return directory;
}

/** A kubeconfig with the contexts `shop` (with a namespace) and `plain`, as user jane. */
async function fileWith(user: object, cluster: object = { server: "https://api.example:6443" }): Promise<string> {
  const path = join(await temporaryDirectory(), "config");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "here", cluster }],
    users: [{ name: "jane", user }],
    contexts: [
      { name: "shop", context: { cluster: "here", user: "jane", namespace: "shop" } },
      { name: "plain", context: { cluster: "here", user: "jane" } },
    ],
    "current-context": "shop",
  };
  await writeFile(path, JSON.stringify(config)); // which is YAML
  return path;
}

/** What the server is asked with. */
async function get(server: ApiServer): Promise<unknown> {
  const client = new ApiClient(server);
  onTestFinished(() => client.close());
  return await client.get("/api/v1", new AbortController().signal);
}

describe("kubeconfig()", () => {
  test("is the server of the current context, with its user's token and its namespace", async () => {
    const access = await kubeconfig({ path: await fileWith({ token: "s3cret" }) }).access();
    expect(access).toMatchObject({
      url: new URL("https://api.example:6443"),
      options: { headers: { Authorization: "Bearer s3cret" } },
      namespace: "shop",
    });
    expect(access.options).not.toHaveProperty("agent");
  });

  test("may be another context, whose namespace is default if it says none", async () => {
    const path = await fileWith({ token: "s3cret" });
    expect((await kubeconfig({ path, context: "plain" }).access()).namespace).toBe("default");
  });

  test("is trusted by the cluster's CA, and reached below the path of its URL", async () => {
    const api = await startHttpApi({ isSecure: true, prefix: "/k8s/clusters/c-1" });
    api.onRequest = ({ path, headers, json }) => json({ path, authorization: headers.authorization });
    const ca = Buffer.from(cert).toString("base64");
    const path = await fileWith({ token: "s3cret" }, { server: api.url, "certificate-authority-data": ca });
    expect(await get(kubeconfig({ path }))).toEqual({
      path: "/k8s/clusters/c-1/api/v1",
      authorization: "Bearer s3cret",
    });
    const distrusting = await fileWith({ token: "s3cret" }, { server: api.url });
    await expect(get(kubeconfig({ path: distrusting }))).rejects.toThrow("certificate");
    const careless = await fileWith({ token: "s3cret" }, { server: api.url, "insecure-skip-tls-verify": true });
    await get(kubeconfig({ path: careless }));
  });

  test("is found under another name where the cluster says so", async () => {
    const api = await startHttpApi({ isSecure: true });
    api.onRequest = ({ json }) => json({});
    const cluster = { server: api.url, "certificate-authority-data": Buffer.from(cert).toString("base64") };
    await get(kubeconfig({ path: await fileWith({}, { ...cluster, "tls-server-name": "localhost" }) }));
    const other = await fileWith({}, { ...cluster, "tls-server-name": "other" });
    await expect(get(kubeconfig({ path: other }))).rejects.toThrow("altnames");
  });

  test("may be a server of plain HTTP, as kubectl proxy is one", async () => {
    const api = await startHttpApi();
    api.onRequest = ({ json }) => json("here");
    expect(await get(kubeconfig({ path: await fileWith({}, { server: api.url }) }))).toBe("here");
  });

  test("sends a user's name and password", async () => {
    const api = await startHttpApi();
    api.onRequest = ({ headers, json }) => json(headers.authorization);
    const path = await fileWith({ username: "jane", password: "s3cret" }, { server: api.url });
    expect(await get(kubeconfig({ path }))).toBe(`Basic ${btoa("jane:s3cret")}`);
  });

  test.each([
    ["once, for as long as the file stays as it is", {}, ["run", "run"]],
    ["once until the token expires", { expirationTimestamp: "2100-01-01T00:00:00Z" }, ["run", "run"]],
    ["each time where it has expired", { expirationTimestamp: "2001-01-01T00:00:00Z" }, ["run", "run", "run", "run"]],
  ])("runs the plugin that makes the token %s", async (_name, expiry, runs) => {
    const directory = await temporaryDirectory();
    const command = join(directory, "plugin");
    const credential = {
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      status: { token: "made", ...expiry },
    };
    await writeFile(command, `#!/bin/sh\necho run >> "$LOG"\nprintf '%s' '${JSON.stringify(credential)}'\n`);
    await chmod(command, 0o755);
    const log = join(directory, "log");
    const exec = { apiVersion: credential.apiVersion, command, env: [{ name: "LOG", value: log }] };
    const path = await fileWith({ exec });
    const server = kubeconfig({ path });
    for (const context of ["shop", "plain"]) {
      await writeFile(
        path,
        (await readFile(path, "utf8")).replace(/"current-context":"\w+"/, `"current-context":"${context}"`),
      );
      for (let count = 0; count < 2; count++) {
        const { options, namespace } = await server.access();
        expect(options.headers).toEqual({ Authorization: "Bearer made" });
        expect(namespace).toBe(context === "shop" ? "shop" : "default");
      }
    }
    expect((await readFile(log, "utf8")).trim().split("\n")).toEqual(runs);
  });

  test("runs the plugin anew when its token, which lasts, was refused", async () => {
    const directory = await temporaryDirectory();
    const command = join(directory, "plugin");
    const script = `echo run >> "${directory}/log"; printf '{"status":{"token":"made-%s"}}' "$(wc -l < "${directory}/log")"`;
    await writeFile(command, `#!/bin/sh\n${script}\n`);
    await chmod(command, 0o755);
    const server = kubeconfig({
      path: await fileWith({ exec: { apiVersion: "client.authentication.k8s.io/v1", command } }),
    });
    const token = async () => (await server.access()).options.headers;
    expect([await token(), await token()]).toEqual(Array(2).fill({ Authorization: "Bearer made-1" }));
    server.refused?.();
    expect(await token()).toEqual({ Authorization: "Bearer made-2" });
  });

  test("fails as the plugin does", async () => {
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command: "/nonexistent/plugin" };
    await expect(kubeconfig({ path: await fileWith({ exec }) }).access()).rejects.toThrow("ENOENT");
  });

  test("is read anew when it changes", async () => {
    const path = await fileWith({ token: "first" });
    const server = kubeconfig({ path });
    await server.access();
    await writeFile(path, (await readFile(path, "utf8")).replace("first", "second"));
    expect((await server.access()).options.headers).toEqual({ Authorization: "Bearer second" });
  });

  test("is the environment's, unless a path is given", async () => {
    vi.stubEnv("KUBECONFIG", await fileWith({ token: "environment" }));
    onTestFinished(() => void vi.unstubAllEnvs());
    expect((await kubeconfig().access()).options.headers).toEqual({ Authorization: "Bearer environment" });
    const path = await fileWith({ token: "path" });
    expect((await kubeconfig({ path }).access()).options.headers).toEqual({ Authorization: "Bearer path" });
  });

  test("names the context that there is not, and those that there are", async () => {
    const path = await fileWith({});
    await expect(kubeconfig({ path, context: "shpo" }).access()).rejects.toThrow(
      'the kubeconfig has no context "shpo"; it has "shop", "plain"',
    );
    await writeFile(path, '{"apiVersion":"v1","kind":"Config"}');
    await expect(kubeconfig({ path }).access()).rejects.toThrow('the kubeconfig has no context ""; it has none');
  });

  test("says where it looked for a file where there is none", async () => {
    vi.stubEnv("KUBECONFIG", undefined);
    vi.stubEnv("HOME", await temporaryDirectory());
    onTestFinished(() => void vi.unstubAllEnvs());
    await expect(kubeconfig().access()).rejects.toThrow(
      "there is no kubeconfig: KUBECONFIG is not set, and ~/.kube/config is not there",
    );
  });

  test("names the file that there is not", async () => {
    const path = join(await temporaryDirectory(), "nowhere");
    await expect(kubeconfig({ path }).access()).rejects.toThrow(path);
  });

  test("has one key for each file and context", () => {
    const keys = [{}, { path: "a" }, { path: "b" }, { path: "a", context: "x" }].map((each) => kubeconfig(each).key);
    expect(new Set(keys).size).toBe(4);
    expect(kubeconfig({ path: "a" }).key).toBe(kubeconfig({ path: "a" }).key);
  });
});

test("says what to install where the package is missing", async () => {
  vi.doMock("@kubernetes/client-node", () => {
    throw new Error("Cannot find package");
  });
  onTestFinished(() => vi.doUnmock("@kubernetes/client-node"));
  await expect(kubeconfig({ path: "/nowhere" }).access()).rejects.toThrow(
    "a kubeconfig is read with @kubernetes/client-node: install it",
  );
});
