import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import type { Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { createClient, decodeBinaryHeader } from "@connectrpc/connect";
import type { BalancedTransport } from "@evenkeel/connect";
import type { Lifecycle } from "@evenkeel/server";
import { describe, expect, onTestFinished, test } from "vitest";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import { protocols, serve } from "../test-helpers/server.ts";
import { type ConcurrencyLimit, loadReportTrailer, OrcaLoadReportSchema } from "./index.ts";

const here = new URL("../", import.meta.url);
const markdown = await readFile(new URL("README.md", here), "utf8");

/** Writes a block of the README, ```ts name, so that it can be imported. */
async function write(name: string, change: (code: string) => string): Promise<string> {
  const code = new RegExp(`^\`\`\`ts ${name}\\n(.*?)^\`\`\`$`, "ms").exec(markdown)?.[1];
  if (code === undefined) throw new Error(`there is no block "${name}"`);
  const folder = new URL(".snippets/", here);
  await mkdir(folder, { recursive: true });
  const file = new URL(`${name}.ts`, folder);
  await writeFile(file, change(code));
  return file.pathname;
}

function replaced(code: string, from: string, to: string): string {
  expect(code).toContain(from);
  return code.replace(from, to);
}

interface ServerSnippet {
  readonly server: Http2Server;
  readonly lifecycle: Lifecycle;
  readonly limit: ConcurrencyLimit;
}

test("the README's server and its routes do what it says", async () => {
  const told: (number | undefined)[] = [];
  const stockUrl = await serve({
    ping: (_, { timeoutMs }) => {
      told.push(timeoutMs());
      return { pod: "stock-1" };
    },
  });
  const routesFile = await write("routes", (code) => {
    const local = replaced(code, "http://stock.shop.svc.cluster.local:8080", stockUrl);
    return replaced(replaced(local, "./gen/", "../gen/"), "const transport", "export const transport");
  });
  const serverFile = await write("server", (code) => {
    const quiet = replaced(code, "lifecycle.shutdownOnSignals();\n", "");
    return `${replaced(quiet, "server.listen(8080)", 'server.listen(0, "127.0.0.1")')}export { lifecycle, limit, server };\n`;
  });
  const { transport } = (await import(routesFile)) as { readonly transport: BalancedTransport };
  const { server, lifecycle, limit } = (await import(serverFile)) as ServerSnippet;
  onTestFinished(async () => {
    transport.destroy();
    await lifecycle.shutdown({ force: true });
  });
  if (!server.listening) await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  for (const [name, connect] of protocols) {
    let pod: string | null = null;
    let cost: Record<string, number> = {};
    const client = createClient(DemoService, connect(url));
    const response = await client.charge(
      {},
      {
        timeoutMs: 60_000,
        onHeader: (header) => {
          pod = header.get("x-evenkeel-pod");
        },
        onTrailer: (trailer) => {
          cost = decodeBinaryHeader(trailer.get(loadReportTrailer) ?? "", OrcaLoadReportSchema).requestCost;
        },
      },
    );
    expect({ name, pod, cost, from: response.pod }).toEqual({
      name,
      pod: lifecycle.snapshot().podName,
      cost: { db: 2 },
      from: "stock-1",
    });
  }
  expect(told).toHaveLength(protocols.length);
  for (const ms of told) expect(Math.abs((ms ?? 0) - 59_950)).toBeLessThan(5_000);
  expect(limit.snapshot()).toMatchObject({ begun: protocols.length, inFlight: 0, rejected: 0 });
});

describe("the README's table of options", () => {
  const names = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, name]) => name);
  const declared = async (file: string, type: string) => {
    const source = await readFile(new URL(`src/${file}`, here), "utf8");
    const body = source.slice(source.indexOf(`export interface ${type} {`));
    return names(body.slice(0, body.indexOf("\n}")), /^ {2}readonly (\w+)\?: /gm);
  };

  test.each([
    ["concurrencyLimit", "concurrency-limit/concurrency-limit.ts", ["ConcurrencyLimitOptions"]],
    [
      "deadline and propagateDeadline",
      "deadline/{}.ts",
      ["deadline DeadlineOptions", "propagate-deadline PropagateDeadlineOptions"],
    ],
    ["loadReport", "load-report/load-report.ts", ["LoadReportOptions"]],
    ["podIdentity", "pod-identity.ts", ["PodIdentityOptions"]],
  ])("of %s is complete", async (title, path, types) => {
    const [, rest = ""] = markdown.split(`\n## ${title}\n`);
    const tables = rest.split("\n## ")[0]?.matchAll(/^\| option.*\n(?:\|.*\n)+/gm) ?? [];
    const listed = [...tables].map(([table]) => names(table.replaceAll(", `", " |\n| `"), /^\| `(\w+)`/gm));
    const expected = types.map((each) => {
      const [file, type] = each.includes(" ") ? (each.split(" ") as [string, string]) : ["", each];
      return declared(path.replace("{}", file), type);
    });
    expect(listed).toEqual(await Promise.all(expected));
  });
});
