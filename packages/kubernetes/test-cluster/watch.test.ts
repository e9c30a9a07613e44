import { expect, test } from "vitest";
import { Line } from "./line.ts";
import { endpoint, Scene } from "./scene.ts";
import { namespace } from "./settings.ts";
import { Watched } from "./watched.ts";

const patience = { timeout: 20_000, interval: 20 };

const target = (scene: Scene): string => `http://${scene.name}.${namespace}.svc:8080`;

test("a watch that is cut goes on, and tells what was missed", async () => {
  await using scene = new Scene();
  await scene.service();
  await scene.slice("a", { endpoints: [endpoint("10.1.0.1")] });
  await scene.slice("b", { endpoints: [endpoint("10.1.0.2")] });
  using line = new Line();
  using watched = new Watched(target(scene), { apiServer: line });
  await expect.poll(() => watched.last, patience).toEqual(["10.1.0.1:8080", "10.1.0.2:8080"]);

  line.isDown = true;
  line.cut();
  await expect.poll(() => watched.last, patience).toMatch("cannot be reached");
  expect(watched.addresses).toEqual(["10.1.0.1:8080", "10.1.0.2:8080"]);
  await scene.slice("a", { endpoints: [endpoint("10.1.0.3")] });
  await scene.deleteSlice("b");
  line.isDown = false;
  await expect.poll(() => watched.last, patience).toEqual(["10.1.0.3:8080"]);

  line.cut();
  await scene.slice("b", { endpoints: [endpoint("10.1.0.4")] });
  await expect.poll(() => watched.last, patience).toEqual(["10.1.0.3:8080", "10.1.0.4:8080"]);
});

test("two clients share a watch, which ends with the last of them", async () => {
  await using scene = new Scene();
  await scene.service();
  await scene.slice("a", { endpoints: [endpoint("10.1.0.1")] });
  using line = new Line();
  const first = new Watched(target(scene), { apiServer: line });
  const second = new Watched(target(scene), { apiServer: line });
  await expect.poll(() => [first.last, second.last], patience).toEqual([["10.1.0.1:8080"], ["10.1.0.1:8080"]]);
  await expect.poll(() => line.busy, patience).toBe(1);
  first[Symbol.dispose]();
  await scene.slice("a", { endpoints: [endpoint("10.1.0.2")] });
  await expect.poll(() => second.last, patience).toEqual(["10.1.0.2:8080"]);
  expect(first.last).toEqual(["10.1.0.1:8080"]);
  second[Symbol.dispose]();
  await expect.poll(() => line.open, patience).toBe(0);
});

test("a Service that does not exist is named, and is used when it appears", async () => {
  await using scene = new Scene();
  using line = new Line();
  using watched = new Watched(target(scene), { apiServer: line });
  await expect
    .poll(() => watched.updates.at(-1), patience)
    .toMatchObject({
      kind: "notFound",
      error: { message: `Service ${namespace}/${scene.name} does not exist` },
    });
  await scene.service();
  await scene.slice("a", { endpoints: [endpoint("10.1.0.1")] });
  await expect.poll(() => watched.last, patience).toEqual(["10.1.0.1:8080"]);
});

test("a Service without endpoints is empty, which is no error", async () => {
  await using scene = new Scene();
  await scene.service();
  using line = new Line();
  using watched = new Watched(target(scene), { apiServer: line });
  await expect.poll(() => watched.last, patience).toEqual([]);
});
