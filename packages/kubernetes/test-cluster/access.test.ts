import { type KubernetesObject, loadYaml } from "@kubernetes/client-node";
import { expect, test } from "vitest";
import { Account } from "./account.ts";
import { Line } from "./line.ts";
import { endpoint, Scene } from "./scene.ts";
import { namespace } from "./settings.ts";
import { Watched } from "./watched.ts";

/** Failed requests are repeated with backoff. */
const patience = { timeout: 20_000, interval: 20 };

test("a service account without rights is told which Role it needs, and that Role is enough", async () => {
  await using scene = new Scene();
  await scene.service();
  await scene.slice("a", { endpoints: [endpoint("10.1.0.1")] });
  await using account = await Account.create(scene);
  await account.issueToken();
  using line = new Line(account.apiServer);
  using watched = new Watched(`http://${scene.name}`, { apiServer: line }); // port 80 is the Service's
  await expect
    .poll(() => watched.last, patience)
    .toMatch(`User "system:serviceaccount:${namespace}:${scene.name}" cannot list resource "endpointslices"`);

  const [, role = ""] = /(apiVersion: .*)$/s.exec(String(watched.last)) ?? [];
  const printed = loadYaml<KubernetesObject>(role);
  expect(printed).toMatchObject({ kind: "Role", metadata: { namespace } });
  await scene.create({ ...printed, metadata: { name: scene.name } });
  await account.bind(scene.name);
  await expect.poll(() => watched.last, patience).toEqual(["10.1.0.1:8080"]);
  await scene.slice("a", { endpoints: [endpoint("10.1.0.2")] });
  await expect.poll(() => watched.last, patience).toEqual(["10.1.0.2:8080"]);
  const kinds = watched.updates.map(({ kind }) => kind);
  expect(kinds.slice(kinds.indexOf("endpoints"))).not.toContain("error");

  using unknown = new Watched(`http://${scene.name}-other`, { apiServer: line });
  await expect.poll(() => unknown.last, patience).toBe(`Service ${namespace}/${scene.name}-other does not exist`);
});

test("the token is read anew for each request, so that it can be rotated", async () => {
  await using scene = new Scene();
  await scene.service();
  await scene.slice("a", { endpoints: [endpoint("10.1.0.1")] });
  await using account = await Account.create(scene);
  await account.allow();
  const secret = `${scene.name}-token`;
  await scene.create({ apiVersion: "v1", kind: "Secret", metadata: { name: secret } });
  await account.issueToken(secret);
  using line = new Line(account.apiServer);
  using watched = new Watched(`http://${scene.name}:8080`, { apiServer: line });
  await expect.poll(() => watched.last, patience).toEqual(["10.1.0.1:8080"]);

  await scene.delete("Secret", secret);
  await expect.poll(() => account.isAccepted(), { ...patience, interval: 500 }).toBe(false);
  line.cut();
  await expect.poll(() => watched.last, patience).toMatch(/Unauthorized.*does not accept the credentials/);
  expect(watched.addresses).toEqual(["10.1.0.1:8080"]);

  await account.issueToken();
  await scene.slice("a", { endpoints: [endpoint("10.1.0.2")] });
  await expect.poll(() => watched.last, patience).toEqual(["10.1.0.2:8080"]);
});
