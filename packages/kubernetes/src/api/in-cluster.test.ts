import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type InClusterOptions, inCluster } from "./in-cluster.ts";

/** A service account's directory with these files, until the test ends. */
async function directoryWith(files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "service-account-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
  return directory;
}

const files = { token: "s3cret\n", "ca.crt": "PEM\n", namespace: "shop\n" };

function stubEnvironment(host: string | undefined, port: string | undefined): void {
  vi.stubEnv("KUBERNETES_SERVICE_HOST", host);
  vi.stubEnv("KUBERNETES_SERVICE_PORT", port);
  onTestFinished(() => void vi.unstubAllEnvs());
}

async function urlOf(options: InClusterOptions): Promise<string> {
  return (await inCluster({ directory: await directoryWith(files), ...options }).access()).url.origin;
}

describe("inCluster()", () => {
  test("is the API server of the environment, with the service account's token, CA and namespace", async () => {
    stubEnvironment("10.96.0.1", "6443");
    expect(await inCluster({ directory: await directoryWith(files) }).access()).toEqual({
      url: new URL("https://10.96.0.1:6443"),
      options: { ca: "PEM\n", headers: { authorization: "Bearer s3cret" } },
      namespace: "shop",
    });
  });

  test("may be told where the server is", async () => {
    stubEnvironment("10.96.0.1", "6443");
    expect(await urlOf({ host: "fd00::1", port: 8443 })).toBe("https://[fd00::1]:8443");
    expect(await urlOf({ host: "api.example", port: "1" })).toBe("https://api.example:1");
    stubEnvironment("fd00::2", undefined);
    expect(await urlOf({})).toBe("https://[fd00::2]");
    stubEnvironment("fd00::2", "");
    expect(await urlOf({})).toBe("https://[fd00::2]");
  });

  test("reads token and CA for each request, since they are rotated", async () => {
    const directory = await directoryWith(files);
    const server = inCluster({ directory, host: "10.96.0.1" });
    await server.access();
    await writeFile(join(directory, "token"), "rotated");
    await writeFile(join(directory, "ca.crt"), "NEW");
    expect((await server.access()).options).toEqual({ ca: "NEW", headers: { authorization: "Bearer rotated" } });
  });

  test("does without a namespace", async () => {
    for (const namespace of [undefined, "", "\n"]) {
      const { token, "ca.crt": ca } = files;
      const directory = await directoryWith({ token, "ca.crt": ca, ...(namespace === undefined ? {} : { namespace }) });
      expect((await inCluster({ directory, host: "h" }).access()).namespace).toBeUndefined();
    }
  });

  test("says outside of a pod that it is there, and what to do", async () => {
    for (const host of [undefined, ""]) {
      stubEnvironment(host, undefined);
      await expect(inCluster().access()).rejects.toThrow(
        "this process is not in a pod: KUBERNETES_SERVICE_HOST is not set; " +
          "outside of a cluster use kubernetes({ apiServer: kubeconfig() }), or another resolver",
      );
    }
  });

  test.each(["token", "ca.crt"])(
    "says that there is no service account where there is no %s, and what to do",
    async (name) => {
      const { [name as "token"]: _missing, ...rest } = files;
      const directory = await directoryWith(rest as Record<string, string>);
      const access = inCluster({ directory, host: "10.96.0.1" }).access();
      await expect(access).rejects.toThrow(/^no service account: ENOENT.*automountServiceAccountToken/);
      await expect(access).rejects.toThrow(join(directory, name));
    },
  );

  test("has one key for each server and identity", () => {
    const keys = [{}, { host: "a" }, { host: "a", port: 1 }, { host: "a", directory: "/d" }].map(
      (options) => inCluster(options).key,
    );
    expect(new Set(keys).size).toBe(4);
    expect(inCluster({ host: "a", port: 1 }).key).toBe(inCluster({ host: "a", port: "1" }).key);
  });
});
