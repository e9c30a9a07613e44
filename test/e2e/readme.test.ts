import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { startApiServer } from "@evenkeel/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = new URL("../../", import.meta.url);
/** How the README's clients reach the API server, which knows the server as the Service "orders". */
let apiServer = "";
const folder = new URL("../.snippets/", import.meta.url);
/** Where the README's server listens. */
let port = 0;

type Snippet = ChildProcessByStdio<null, Readable, Readable>;

/** The blocks of a README that are marked as runnable: ```ts name */
async function snippets(readme: string): Promise<ReadonlyMap<string, string>> {
  const markdown = await readFile(new URL(readme, root), "utf8");
  return new Map([...markdown.matchAll(/^```ts (\w+)\n(.*?)^```$/gms)].map(([, name = "", code = ""]) => [name, code]));
}

/** Runs a snippet as it stands, but for the addresses and the places of what it imports. */
async function start(readme: string, name: string, baseUrl = `http://127.0.0.1:${port}`): Promise<Snippet> {
  const code = (await snippets(readme)).get(name);
  if (code === undefined) throw new Error(`no snippet "${name}" in ${readme}`);
  await mkdir(folder, { recursive: true });
  const file = new URL(`${readme.replaceAll(/\W/g, "-")}-${name}.ts`, folder);
  const here = code
    .replace("http://orders.shop.svc.cluster.local:8080", baseUrl)
    .replace(`["10.0.0.1:8080", "10.0.0.2:8080"]`, `["127.0.0.1:${port}"]`)
    .replace("server.listen(8080)", `server.listen(0, "127.0.0.1", () => console.log(server.address().port))`)
    .replace("resolver: kubernetes()", `resolver: kubernetes({ apiServer: ${apiServer} })`)
    .replace("import { kubernetes }", "import { apiServerAt, kubernetes }")
    .replace("./gen/", "../gen/")
    .replace("./routes.ts", "../e2e/fixtures/routes.ts");
  await writeFile(file, here);
  return spawn(process.execPath, [fileURLToPath(file)], { stdio: ["ignore", "pipe", "pipe"], timeout: 20_000 });
}

async function run(readme: string, name: string, baseUrl?: string): Promise<string> {
  const child = await start(readme, name, baseUrl);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
  return stdout;
}

/** The port that the server prints once it listens on it. */
async function portOf(server: Snippet): Promise<number> {
  for await (const chunk of server.stdout) return Number(chunk);
  throw new Error(`the server did not listen: ${await text(server.stderr)}`);
}

describe("the README's", () => {
  let server: Snippet;

  beforeAll(async () => {
    server = await start("README.md", "server");
    port = await portOf(server);
  });

  it("client gets an answer from its server", async () => {
    expect(await run("README.md", "client")).toBe("pod-1 answered\n");
  });

  it("client with a policy gets an answer, and shows its connections", async () => {
    expect(await run("README.md", "policy")).toMatch(/state: 'ready'/);
  });

  it.each(["README.md", "packages/kubernetes/README.md"])(
    "client in Kubernetes gets an answer (%s)",
    async (readme) => {
      await using api = await startApiServer();
      const { url, token, ca } = api;
      apiServer = `apiServerAt("${url}", ${JSON.stringify({ token, ca })})`;
      api.setSlice({
        metadata: { name: "orders-1", namespace: "shop", labels: { "kubernetes.io/service-name": "orders" } },
        addressType: "IPv4",
        ports: [{ name: "grpc", port }],
        endpoints: [{ addresses: ["127.0.0.1"] }],
      });
      const name = readme === "README.md" ? "kubernetes" : "client";
      expect(await run(readme, name, "http://orders.shop.svc.cluster.local")).toBe("pod-1 answered\n");
    },
  );

  it("client of the connect package gets an answer", async () => {
    for (const name of ["client", "retry", "hedging"]) await run("packages/connect/README.md", name);
  });

  afterAll(async () => {
    server.kill("SIGTERM");
    const [code] = await once(server, "exit");
    expect(code).toBe(0);
  });
});

it("every option of the transports is in the README of connect", async () => {
  const markdown = await readFile(new URL("packages/connect/README.md", root), "utf8");
  const source = await readFile(new URL("packages/connect/src/options.ts", root), "utf8");
  const listed = [...markdown.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
  const declared = [...source.matchAll(/^ {2}readonly (\w+)\?{0,1}: /gm)].map(([, name]) => name);
  expect(new Set(listed)).toEqual(new Set(declared));
});
