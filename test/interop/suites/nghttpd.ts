// nghttpd, the file server of nghttp2: HTTP/2 as its reference implementation has it, without an RPC protocol on top.
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { cert } from "../../../packages/server/test-helpers/certificate.ts";
import { type Children, freePort } from "../children.ts";
import { type ClientKind, connect } from "../clients.ts";
import { HttpClient } from "../http-client.ts";
import { find } from "../requirements.ts";
import { expectNone, inParallel, type RunCheck, type Suite } from "../suite.ts";
import { Tap } from "../tap.ts";
import { failureOf, pattern } from "./protocol.ts";

const large = pattern(16 * 1024 * 1024);
const small = pattern(1_000);

interface Variant {
  readonly name: string;
  readonly options: readonly string[];
  readonly tls?: boolean;
  /** Streams that it takes on a connection, where that is not nghttpd's own 100. */
  readonly limit?: number;
  /** A trailer of each response that has a body. */
  readonly trailer?: readonly [name: string, value: string];
}

const variants: readonly Variant[] = [
  { name: "h2c", options: [] },
  { name: "TLS", options: [], tls: true },
  { name: "padding 255", options: ["--padding=255"] },
  { name: "padding 255, TLS", options: ["--padding=255"], tls: true },
  { name: "no header tables", options: ["--header-table-size=0", "--encoder-header-table-size=0"] },
  { name: "64 KiB header tables", options: ["--header-table-size=64K", "--encoder-header-table-size=64K"] },
  { name: "small windows", options: ["--window-bits=12", "--connection-window-bits=16"] },
  { name: "large windows", options: ["--window-bits=24", "--connection-window-bits=26"] },
  { name: "trailers", options: ["--trailer=x-checksum: none"], trailer: ["x-checksum", "none"] },
  { name: "2 streams", options: ["--max-concurrent-streams=2"], limit: 2 },
  { name: "2 streams, padding", options: ["--max-concurrent-streams=2", "--padding=100"], limit: 2 },
];

/** Writes the files, and answers with a suite for each way to set nghttpd up. */
export async function nghttpdSuites(
  client: ClientKind,
  directory: string,
  children: Children,
): Promise<readonly Suite[]> {
  const files = join(directory, "files");
  await mkdir(files);
  await writeFile(join(files, "small"), small);
  await writeFile(join(files, "large"), large);
  await writeFile(join(files, "empty"), "");
  return variants.map((variant) => ({
    group: "nghttpd",
    peer: `nghttpd, ${variant.name}`,
    async run(check) {
      const port = await freePort();
      const nghttpd = await children.start([
        find("nghttpd") ?? "nghttpd",
        "--address=127.0.0.1",
        `--htdocs=${files}`,
        "--echo-upload",
        ...variant.options,
        ...(variant.tls === true ? [] : ["--no-tls"]),
        String(port),
        ...(variant.tls === true ? [join(directory, "key.pem"), join(directory, "cert.pem")] : []),
      ]);
      try {
        await nghttpd.accepting(port);
        await checkVariant(variant, port, client, check);
      } finally {
        await nghttpd.kill();
      }
    },
  }));
}

async function checkVariant(variant: Variant, port: number, client: ClientKind, check: RunCheck): Promise<void> {
  const tls = variant.tls === true;
  const open = (port: number): HttpClient => new HttpClient(port, tls ? cert : undefined);

  await check("GET", async (use) => {
    const http = open(port);
    use(() => http.destroy());
    const response = await http.request("GET", "/small");
    strictEqual(response.status, 200);
    ok(small.every((byte, index) => byte === response.body[index]) && response.body.length === small.length);
    deepStrictEqual(response.trailers, variant.trailer === undefined ? [] : [variant.trailer]);
    const empty = await http.request("GET", "/empty");
    strictEqual(empty.status, 200);
    strictEqual(empty.body.length, 0);
    const head = await http.request("HEAD", "/large");
    strictEqual(head.status, 200);
    strictEqual(head.body.length, 0);
    return undefined;
  });

  await check("404", async (use) => {
    const http = open(port);
    use(() => http.destroy());
    strictEqual((await http.request("GET", "/none")).status, 404);
    const rpc = connect({ client, protocol: "Connect", tls, port }, use);
    // nghttpd echoes the request, without the type that makes it a response
    strictEqual(Code[(await failureOf(rpc.ping({}))).code], "Unknown");
    return undefined;
  });

  await check("16 MiB", async (use) => {
    const http = open(port);
    use(() => http.destroy());
    const { body } = await http.request("GET", "/large");
    ok(Buffer.from(body).equals(large), "not the file");
    return undefined;
  });

  await check("POST", async (use) => {
    const http = open(port);
    use(() => http.destroy());
    for (const upload of [small, large]) {
      const { status, body } = await http.request("POST", "/upload", { body: upload });
      strictEqual(status, 200);
      ok(Buffer.from(body).equals(upload), "not what was sent");
    }
    return undefined;
  });

  await check("headers", async (use) => {
    const http = open(port);
    use(() => http.destroy());
    const failures = await inParallel(2_000, 50, async (index) => {
      const headers = Array.from(
        { length: 10 },
        (_, column) => [`x-header-${(index * 7 + column) % 90}`, `value ${index}${"^~".repeat(index % 20)}`] as const,
      );
      const { status, body } = await http.request("GET", "/small", { headers });
      strictEqual(status, 200);
      strictEqual(body.length, small.length);
    });
    expectNone(failures, 2_000);
    return undefined;
  });

  await check("parallel", async (use) => {
    const tap = tls ? undefined : await Tap.start(port, use);
    const http = open(tap?.port ?? port);
    use(() => http.destroy());
    const count = 300;
    const failures = await inParallel(count, count, async (index) => {
      const upload = large.subarray(0, index * 100);
      const { body } = await http.request("POST", "/upload", { body: upload });
      ok(Buffer.from(body).equals(upload), "not what was sent");
    });
    expectNone(failures, count);
    if (tap === undefined) return undefined;
    strictEqual(tap.refused, 0, "streams that the server refused");
    strictEqual(tap.maxOpen, variant.limit ?? 100, "the most streams at once");
    return `${tap.maxOpen} streams`;
  });
}
