import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { startApiServer } from "@evenkeel/testing";
import { expect, it, onTestFinished } from "vitest";
import { policyTypes } from "../../../packages/grpc-js/src/balancing/policy-types.ts";

const markdown = await readFile(new URL("../../../packages/grpc-js/README.md", import.meta.url), "utf8");
const folder = new URL("../../.snippets/", import.meta.url);

/** Starts a block of the README, ```ts name, with other words here and there. */
async function start(name: string, ...replacements: readonly (readonly [from: string, to: string])[]) {
  let code = new RegExp(`^\`\`\`ts ${name}\\n(.*?)^\`\`\`$`, "ms").exec(markdown)?.[1] ?? "";
  for (const [from, to] of [...replacements, ["./gen/", "../../examples/grpc-js/src/gen/"] as const]) {
    expect(code).toContain(from);
    code = code.replace(from, to);
  }
  await mkdir(folder, { recursive: true });
  const file = new URL(`grpc-js-${name}.ts`, folder);
  await writeFile(file, code);
  return spawn(process.execPath, [fileURLToPath(file)], { stdio: ["ignore", "pipe", "pipe"], timeout: 20_000 });
}

it("the README's client gets an answer from its server, which ends in order", async () => {
  const server = await start(
    "server",
    ["./orders.ts", "../e2e/grpc-js/orders.ts"],
    ["0.0.0.0:8080", "127.0.0.1:0"],
    ["(error) => {", "(error, port) => {\n  console.log(port);"],
    ["maxConnectionAgeMs", "readinessDelayMs: 0, maxConnectionAgeMs"],
  );
  const ended = once(server, "exit");
  onTestFinished(() => void server.kill("SIGKILL"));
  const [port] = await once(server.stdout, "data");
  await using api = await startApiServer();
  const { url, token, ca } = api;
  api.setSlice({
    metadata: { name: "orders-1", namespace: "shop", labels: { "kubernetes.io/service-name": "orders" } },
    addressType: "IPv4",
    ports: [{ name: "grpc", port: Number(port) }],
    endpoints: [{ addresses: ["127.0.0.1"] }],
  });
  const client = await start(
    "client",
    ["import { register }", 'import { apiServerAt } from "@evenkeel/kubernetes";\nimport { register }'],
    [
      "register();",
      `register({ kubernetes: { apiServer: apiServerAt("${url}", ${JSON.stringify({ token, ca })}) } });`,
    ],
  );
  const [stdout, stderr, [code]] = await Promise.all([text(client.stdout), text(client.stderr), once(client, "exit")]);
  expect({ stdout, stderr, code }).toEqual({ stdout: "pod-1 answered\n", stderr: "", code: 0 });
  server.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
});

it("every policy, and none but those, is in the README of grpc-js", () => {
  const section = markdown.slice(markdown.indexOf("## Policies"), markdown.indexOf("The hashes are not"));
  const listed = [...section.matchAll(/^\| (`\w+`(?:, `\w+`)*) \|/gm)].flatMap(([, names = ""]) => names.split(", "));
  const declared = policyTypes.flatMap(({ names }) => names.map((name) => `\`${name}\``));
  expect(new Set(listed)).toEqual(new Set(declared));
});
