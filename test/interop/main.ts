// Our client against servers that others wrote. README.md tells what it needs.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cert, key } from "../../packages/server/test-helpers/certificate.ts";
import { Children } from "./children.ts";
import { type ClientKind, isClientKind, type Protocol } from "./clients.ts";
import { buildGo } from "./go.ts";
import type { Program } from "./program.ts";
import { formatResult, formatTables } from "./report.ts";
import { missing } from "./requirements.ts";
import { inParallel, type Result, runSuite, type Suite } from "./suite.ts";
import { nghttpdSuites } from "./suites/nghttpd.ts";
import { nginxSuite } from "./suites/nginx.ts";
import { serverSuites } from "./suites/servers.ts";

/** Peers that are checked, in their order. */
const peers = ["grpc-go", "connect-go", "grpc-js", "connect-node", "nginx", "nghttpd"] as const;
type PeerName = (typeof peers)[number];

const { values } = parseArgs({
  options: {
    /** One of the peers; may be given several times. Default: all of them. */
    peer: { type: "string", multiple: true, default: [...peers] },
    /** Whose client: "connect-node" is there to compare with. */
    client: { type: "string", default: "evenkeel" },
  },
});
const complaints = [
  ...values.peer
    .filter((peer) => !peers.some((known) => known === peer))
    .map((peer) => `--peer ${peer}: expected one of ${peers.join(", ")}`),
  ...(isClientKind(values.client) ? [] : [`--client ${values.client}: expected evenkeel or connect-node`]),
  ...missing(values.peer),
];
if (complaints.length > 0 || !isClientKind(values.client)) {
  for (const complaint of complaints) console.error(complaint);
  process.exit(1);
}
const client: ClientKind = values.client;
const wanted = (peer: PeerName): boolean => values.peer.includes(peer);

const startedAt = performance.now();
const directory = await mkdtemp(join(tmpdir(), "interop-"));
const children = await Children.create();
const results: Result[] = [];
let isEnding = false;

async function end(code: number): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  await children.close();
  await rm(directory, { recursive: true, force: true });
  process.exit(code);
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => end(1));
process.on("uncaughtException", async (error) => {
  console.error(error);
  await end(1);
});
/** However slow the machine: a run that takes longer hangs. */
const limitMs = 600_000;
setTimeout(async () => {
  console.error(`not done after ${limitMs} ms`);
  await end(1);
}, limitMs).unref();

await writeFile(join(directory, "cert.pem"), cert);
await writeFile(join(directory, "key.pem"), key);
const env = { TLS_CERT: join(directory, "cert.pem"), TLS_KEY: join(directory, "key.pem") };
const allProtocols: readonly Protocol[] = ["gRPC", "Connect", "gRPC-Web"];

/** One of those that run on node. */
function nodeProgram(name: string): Program {
  const file = fileURLToPath(new URL(`./peers/${name}.ts`, import.meta.url));
  return { name, command: [process.execPath, file], env, sendsTrailersOnly: name === "grpc-js" };
}

/** One of those that `buildGo` makes. */
function goProgram(name: string): Program {
  const file = fileURLToPath(new URL(`./peers/go/gen/bin/${name}`, import.meta.url));
  return { name, command: [file], env, sendsTrailersOnly: name === "grpc-go" };
}

const suitesOf: Readonly<Record<PeerName, () => Promise<readonly Suite[]>>> = {
  "grpc-go": async () => serverSuites(goProgram("grpc-go"), ["gRPC"], client, children),
  "connect-go": async () => serverSuites(goProgram("connect-go"), allProtocols, client, children),
  "grpc-js": async () => serverSuites(nodeProgram("grpc-js"), ["gRPC"], client, children),
  "connect-node": async () => serverSuites(nodeProgram("connect-node"), allProtocols, client, children),
  nginx: async () => [nginxSuite(nodeProgram("connect-node"), client, directory, children)],
  nghttpd: () => nghttpdSuites(client, directory, children),
};

if (wanted("grpc-go") || wanted("connect-go")) await buildGo(children);
const suites: Suite[] = [];
for (const peer of peers.filter(wanted)) suites.push(...(await suitesOf[peer]()));
// much of a check is waiting: two suites at a time
await inParallel(suites.length, 2, (index) =>
  runSuite(suites[index]!, (result) => {
    results.push(result);
    console.log(formatResult(result));
  }),
);
const failed = results.filter((result) => result.error !== undefined);
console.log(formatTables(results, suites));
console.log(
  `${results.length - failed.length} of ${results.length} checks ok, ` +
    `${((performance.now() - startedAt) / 1_000).toFixed(0)} s`,
);
await end(failed.length > 0 ? 1 : 0);
