import { subscribe } from "node:diagnostics_channel";
import type { Http2Session, ServerHttp2Stream } from "node:http2";
import { create } from "@bufbuild/protobuf";
import { definitionOf } from "@evenkeel/demo/grpc-js-definition";
import { type handleUnaryCall, Server, ServerCredentials } from "@grpc/grpc-js";
import { cert, key } from "../../../packages/server/test-helpers/certificate.ts";
import {
  type ChargeRequest,
  type ChargeResponse,
  ChargeResponseSchema,
  DemoService,
} from "../../gen/demo/v1/demo_pb.ts";
import { closeAtSigterm } from "./one-phase.ts";
import type { Content, PodServer, Retirement } from "./pod-server.ts";
import { maxAgeMs } from "./times.ts";
import { twoPhaseOptions } from "./two-phase.ts";

export async function openH2c(content: Content): Promise<PodServer> {
  return await podServer(content, ServerCredentials.createInsecure());
}

export async function openTls(content: Content): Promise<PodServer> {
  const pair = { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) };
  return await podServer(content, ServerCredentials.createSsl(null, [pair]));
}

async function podServer(content: Content, credentials: ServerCredentials): Promise<PodServer> {
  const server = content.retire === "two-phase" ? await openManaged(content) : openStock(content);
  server.addService(definitionOf(DemoService), { charge: handlerOf(content) });
  return {
    listen(host, port) {
      return new Promise((resolve, reject) => {
        server.bindAsync(`${host}:${port}`, credentials, (error) => {
          if (error === null) resolve();
          else reject(error);
        });
      });
    },
  };
}

async function openManaged(retirement: Retirement): Promise<Server> {
  const { manageGrpcServer } = await import("@evenkeel/grpc-js");
  const server = new Server();
  manageGrpcServer(server, twoPhaseOptions(retirement)).shutdownOnSignals();
  return server;
}

/** What grpc-js offers. */
function openStock(retirement: Retirement): Server {
  const server = new Server(retirement.event === "max-age" ? { "grpc.max_connection_age_ms": maxAgeMs } : {});
  if (retirement.event === "max-age") noteOldSessions(retirement);
  closeAtSigterm(retirement, (closed) => server.tryShutdown(closed));
  return server;
}

/** grpc-js does not tell which sessions it retires: those that get as old do not end otherwise. */
function noteOldSessions({ note }: Retirement): void {
  const seen = new WeakSet<Http2Session>();
  subscribe("http2.server.stream.created", (message) => {
    const { session } = (message as { readonly stream: ServerHttp2Stream }).stream;
    if (session === undefined || seen.has(session)) return;
    seen.add(session);
    const since = performance.now();
    session.on("close", () => {
      if (performance.now() - since > 0.8 * maxAgeMs) note("retired");
    });
  });
}

function handlerOf({ charge }: Content): handleUnaryCall<ChargeRequest, ChargeResponse> {
  return ({ request }, respond) => {
    charge(request).then(
      (response) => respond(null, create(ChargeResponseSchema, response)),
      (error: unknown) => respond({ details: String(error) }),
    );
  };
}
