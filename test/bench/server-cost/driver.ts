import { Agent, request as httpRequest } from "node:http";
import { connect } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { ChargeRequestSchema, DemoService } from "../../gen/demo/v1/demo_pb.ts";
import { requestPayload } from "../clients/client.ts";
import { fail, jobOfProgram, runProgram, tell } from "../program.ts";
import type { Drive, DriverJob } from "./messages.ts";

/** So many RPCs are under way at any time, on so many connections of HTTP/2. */
const concurrency = 64;
const sessions = 4;

const path = `/${DemoService.typeName}/${DemoService.method.charge.name}`;
const message = toBinary(ChargeRequestSchema, create(ChargeRequestSchema, { payload: requestPayload }));

// Canned requests, as many as it is told, to one server.
await runProgram(async () => {
  const job = jobOfProgram<DriverJob>();
  const call = job.server === "http1" ? openHttp1(job.port) : openHttp2(job);
  process.on("message", ({ rpcs }: Drive) => {
    drive(call, rpcs).then((elapsedMs) => tell({ kind: "driven", elapsedMs }), fail);
  });
  tell({ kind: "ready" });
});

async function drive(call: () => Promise<void>, rpcs: number): Promise<number> {
  const startedAt = performance.now();
  let left = rpcs;
  const caller = async (): Promise<void> => {
    while (left-- > 0) await call();
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  return performance.now() - startedAt;
}

function openHttp2({ server, port }: DriverJob): () => Promise<void> {
  const authority = `${server === "tls" ? "https" : "http"}://127.0.0.1:${port}`;
  const open = Array.from({ length: sessions }, () => connect(authority, { rejectUnauthorized: false }));
  const body = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
  const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc+proto", te: "trailers" };
  let turn = 0;
  return () =>
    new Promise((resolve, reject) => {
      const stream = open[turn++ % open.length]!.request(headers);
      let status: unknown;
      stream.on("trailers", (trailers) => {
        status = trailers["grpc-status"];
      });
      stream.on("error", reject);
      stream.on("close", () => {
        if (status === "0") resolve();
        else reject(new Error(`expected status 0, got ${status}`));
      });
      stream.resume();
      stream.end(body);
    });
}

function openHttp1(port: number): () => Promise<void> {
  const agent = new Agent({ keepAlive: true });
  const headers = { "content-type": "application/proto", "content-length": message.length };
  return () =>
    new Promise((resolve, reject) => {
      const sent = httpRequest({ host: "127.0.0.1", port, agent, method: "POST", path, headers }, (response) => {
        response.resume();
        response.on("end", () => {
          if (response.statusCode === 200) resolve();
          else reject(new Error(`expected status 200, got ${response.statusCode}`));
        });
      });
      sent.on("error", reject);
      sent.end(message);
    });
}
