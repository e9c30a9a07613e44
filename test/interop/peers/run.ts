// What the servers that run on node have in common. peers/go/peer/peer.go is the same in Go.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Service } from "./service.ts";

export const maxStreams = 2;
export const maxAgeMs = 200;

/** What a library makes of a listener. */
export interface PeerServer {
  readonly port: number;
  /** Retires its connections and lets RPCs finish. */
  stop(): Promise<void>;
}

/**
 * Starts a server for each argument `name=port`, says on stdout where they listen, and stops them at SIGTERM. The names
 * are `plain`, `tls`, `limited` (2 streams), `retiring` (connections are retired after 200 ms) and `control`.
 */
export async function run(
  pod: string,
  start: (name: string, port: number, service: Service) => Promise<PeerServer>,
): Promise<void> {
  const services = new Map<string, Service>();
  const servers: PeerServer[] = [];
  const ports: Record<string, number> = {};
  for (const argument of process.argv.slice(2)) {
    const [name = "", port] = argument.split("=");
    if (name === "control") {
      ports[name] = await startControl(Number(port), services);
      continue;
    }
    const service = new Service(pod);
    services.set(name, service);
    const server = await start(name, Number(port), service);
    servers.push(server);
    ports[name] = server.port;
  }
  console.log(JSON.stringify(ports));
  process.once("SIGTERM", async () => {
    setTimeout(() => process.exit(1), 5_000).unref();
    await Promise.all(servers.map((server) => server.stop()));
    const final = Object.fromEntries([...services].map(([name, service]) => [name, service.stats(false)]));
    process.stdout.write(`${JSON.stringify(final)}\n`, () => process.exit(0));
  });
}

/** The certificate of the listener `tls`. */
export function readCertificate(): { readonly cert: Buffer; readonly key: Buffer } {
  const { TLS_CERT = "", TLS_KEY = "" } = process.env;
  return { cert: readFileSync(TLS_CERT), key: readFileSync(TLS_KEY) };
}

/** Answers GET /<listener> with its stats; DELETE also resets them. */
async function startControl(port: number, services: ReadonlyMap<string, Service>): Promise<number> {
  const server = createServer((request, response) => {
    const service = services.get(request.url?.slice(1) ?? "");
    response.statusCode = service === undefined ? 404 : 200;
    response.end(JSON.stringify(service?.stats(request.method === "DELETE")));
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}
