import { X509Certificate } from "node:crypto";
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ask, slicesPath, start, WatchClient } from "../../test-helpers/api-client.ts";

describe("service accounts", () => {
  test("have files as kubelet makes them, which say where the server is and whom to trust", async () => {
    const api = await start({ namespace: "shop" });
    const { directory, host, port } = api.serviceAccount;
    expect({ host, port }).toEqual({ host: api.host, port: api.port });
    const read = (name: string) => readFileSync(join(directory, name), "utf8");
    expect(read("token")).toBe(api.token);
    expect(read("namespace")).toBe("shop");
    expect(read("ca.crt")).toBe(api.ca);
    expect(readlinkSync(join(directory, "token"))).toBe("..data/token");
    expect(lstatSync(join(directory, "..data")).isSymbolicLink()).toBe(true);
    const claims = JSON.parse(Buffer.from(api.token.split(".")[1]!, "base64url").toString());
    expect(claims.sub).toBe("system:serviceaccount:shop:default");
    expect(claims.exp).toBeGreaterThan(Date.now() / 1000 + 3_000);
    const certificate = new X509Certificate(api.ca!);
    expect([certificate.ca, certificate.subject]).toEqual([true, "CN=kubernetes"]);
    await api.close();
    expect(existsSync(directory)).toBe(false);
  });

  test("get new tokens at once, and the old one no longer counts", async () => {
    const api = await start();
    const { directory } = api.serviceAccount;
    const old = api.token;
    const watch = await WatchClient.open(api, `${slicesPath}?resourceVersion=1&`);
    const before = readlinkSync(join(directory, "..data"));
    const token = api.rotateToken();
    expect(token).not.toBe(old);
    expect(api.token).toBe(token);
    expect(readFileSync(join(directory, "token"), "utf8")).toBe(token);
    expect(readlinkSync(join(directory, "..data"))).not.toBe(before);
    expect(readdirSync(directory).filter((name) => name.startsWith("..")).length).toBe(2);
    expect((await ask(api, slicesPath, { token: old })).status).toBe(401);
    expect((await ask(api, slicesPath)).status).toBe(200);
    api.setSlice({ metadata: { name: "a" }, addressType: "IPv4" });
    expect(await watch.next()).toMatchObject({ type: "ADDED" });
  });

  test("have a time in which both tokens count", async () => {
    const api = await start();
    const old = api.token;
    api.rotateToken({ graceMs: 1_000_000 });
    expect((await ask(api, slicesPath, { token: old })).status).toBe(200);
    const second = api.token;
    api.rotateToken({ graceMs: 1 });
    await expect.poll(async () => (await ask(api, slicesPath, { token: second })).status).toBe(401);
    expect(() => api.rotateToken({ graceMs: -1 })).toThrow(/^graceMs:/);
  });

  test("have a kubeconfig", async () => {
    const api = await start({ namespace: "shop" });
    api.rotateToken();
    const config = JSON.parse(readFileSync(api.kubeconfigPath, "utf8"));
    expect(config).toMatchObject({
      "current-context": "pretend",
      clusters: [{ name: "pretend", cluster: { server: api.url } }],
      users: [{ name: "pretend", user: { token: api.token } }],
      contexts: [{ name: "pretend", context: { cluster: "pretend", user: "pretend", namespace: "shop" } }],
    });
    expect(Buffer.from(config.clusters[0].cluster["certificate-authority-data"], "base64").toString()).toBe(api.ca);
  });

  test("without TLS have neither CA nor need", async () => {
    const api = await start({ tls: false });
    expect(existsSync(join(api.serviceAccount.directory, "ca.crt"))).toBe(false);
    expect(JSON.parse(readFileSync(api.kubeconfigPath, "utf8"))).toMatchObject({ users: [{ user: {} }] });
  });
});
