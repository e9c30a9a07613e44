// nginx with grpc_pass in front of a pod, as ingress controllers have it.
import { ok, strictEqual } from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Code } from "@connectrpc/connect";
import { type Children, freePort, host } from "../children.ts";
import { type ClientKind, connect, type Route } from "../clients.ts";
import { type Program, Server } from "../program.ts";
import { find } from "../requirements.ts";
import { type Body, expectNone, inParallel, type Suite } from "../suite.ts";
import { chargeId, checkRpcs, failureOf, randomId, streamLimit } from "./protocol.ts";

/** Ports of nginx, one for each way it is set up. */
interface Ports {
  readonly standard: number;
  /** Retires a connection after 100 requests: `keepalive_requests 100`. */
  readonly retiring: number;
  /** Takes 2 streams on a connection. */
  readonly limited: number;
}

const requestsPerConnection = 100;
/** In which 20 000 charges over 200 connections must be done. */
const keepaliveMs = 60_000;

export function nginxSuite(pod: Program, client: ClientKind, directory: string, children: Children): Suite {
  return {
    group: "nginx",
    peer: `nginx, gRPC to ${pod.name}`,
    async run(check) {
      const server = await Server.start(children, pod, { plain: 0 });
      const ports = { standard: await freePort(), retiring: await freePort(), limited: await freePort() };
      const connections = join(directory, "connections.log");
      const file = join(directory, "nginx.conf");
      await writeFile(file, configuration(directory, ports, server.port("plain"), connections));
      const nginx = await children.start([find("nginx") ?? "nginx", "-p", directory, "-e", "stderr", "-c", file]);
      const route = (port: number): Route => ({ client, protocol: "gRPC", tls: false, port });
      try {
        await nginx.accepting(ports.standard);
        await checkRpcs({ server, sendsTrailersOnly: false, listener: "plain", route: route(ports.standard) }, check);
        await check("stream limit", streamLimit(route(ports.limited), 2));
        await check("keepalive_requests 100", keepaliveRequests(server, route(ports.retiring), connections), {
          timeoutMs: keepaliveMs + 10_000,
        });
        await check(
          "reload",
          reload(server, route(ports.standard), () => nginx.signal("SIGHUP")),
        );
        await check("no pod", noPod(server, route(ports.standard)));
      } finally {
        await nginx.stop();
        await server.child.kill();
      }
    },
  };
}

/** 20 000 charges over connections of 100 requests each. */
function keepaliveRequests(server: Server, route: Route, connections: string): Body {
  return async (use) => {
    const count = 20_000;
    await server.reset("plain");
    const client = connect(route, use);
    const run = randomId();
    const lastAt = performance.now() + keepaliveMs;
    let done = 0;
    const failures = await inParallel(count, 64, async (index) => {
      if (performance.now() > lastAt) return;
      await client.charge({ payload: chargeId(run, index) });
      done++;
    });
    const used = new Set((await readFile(connections, "utf8")).trim().split("\n")).size;
    expectNone(failures, count);
    ok(done === count, `${done} of ${count} charges in ${keepaliveMs} ms, over ${used} connections; none failed`);
    await expectEachOnce(server, count);
    ok(used >= count / requestsPerConnection, `${used} connections`);
    return `${used} conn`;
  };
}

/** A new configuration while charges run: nginx ends its old workers when their requests are done. */
function reload(server: Server, route: Route, signal: () => void): Body {
  return async (use) => {
    const count = 3_000;
    await server.reset("plain");
    const client = connect(route, use);
    const run = randomId();
    const charges = inParallel(count, 16, (index) =>
      client.charge({ payload: chargeId(run, index), work: { delayMs: 5 } }),
    );
    for (let reloads = 0; reloads < 3; reloads++) {
      await sleep(200);
      signal();
    }
    expectNone(await charges, count);
    await expectEachOnce(server, count);
    return undefined;
  };
}

/** nginx answers in the place of a pod that is gone: with an HTTP status and no gRPC one. */
function noPod(server: Server, route: Route): Body {
  return async (use) => {
    await server.child.kill();
    const client = connect(route, use);
    strictEqual(Code[(await failureOf(client.charge({}))).code], "Unavailable");
    return undefined;
  };
}

async function expectEachOnce(server: Server, count: number): Promise<void> {
  const stats = await server.stats("plain");
  strictEqual(stats.unique, count, "charges that ran");
  strictEqual(stats.charges, count, "charges that ran, counting those that ran twice");
}

function configuration(directory: string, ports: Ports, pod: number, connections: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${join(directory, name)};`)
    .join("\n  ");
  const server = (port: number, settings: string): string => `server {
    listen ${host}:${port} http2;
    ${settings}
    location / { grpc_pass grpc://pod; }
  }`;
  return `daemon off;
worker_processes 1;
${process.getuid?.() === 0 ? "user root;" : ""}
pid ${join(directory, "nginx.pid")};
events { worker_connections 4096; }
http {
  ${temporary}
  log_format connection "$connection";
  access_log off;
  client_max_body_size 0;
  upstream pod {
    server ${host}:${pod};
    keepalive 64;
  }
  ${server(ports.standard, "")}
  ${server(ports.retiring, `keepalive_requests ${requestsPerConnection}; access_log ${connections} connection;`)}
  ${server(ports.limited, "http2_max_concurrent_streams 2;")}
}
`;
}
