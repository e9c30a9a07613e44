import { connect, constants } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { ChargeRequestSchema, CountRequestSchema, DemoService } from "../../gen/demo/v1/demo_pb.ts";
import { answerSpecs } from "../cases.ts";
import { hosts } from "../endpoints.ts";
import type { ClientJob } from "../messages.ts";
import { type Caller, requestPayload } from "./client.ts";

/** Sends canned requests on five sessions in turn, and reads the bytes and trailers of the responses. */
export function open({ operation, answer, port }: ClientJob): Caller {
  const { payloadBytes, messages } = answerSpecs[answer];
  const sessions = hosts.map((host) => connect(`http://${host}:${port}`));
  const method = operation === "stream" ? DemoService.method.count : DemoService.method.charge;
  const message =
    operation === "stream"
      ? toBinary(CountRequestSchema, create(CountRequestSchema, { to: messages }))
      : toBinary(ChargeRequestSchema, create(ChargeRequestSchema, { payload: requestPayload }));
  const body = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
  const headers = {
    [constants.HTTP2_HEADER_METHOD]: "POST",
    [constants.HTTP2_HEADER_PATH]: `/${DemoService.typeName}/${method.name}`,
    [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc+proto",
    [constants.HTTP2_HEADER_TE]: "trailers",
  };
  let turn = 0;
  return () =>
    new Promise((resolve, reject) => {
      const session = sessions[turn++ % sessions.length] as (typeof sessions)[number];
      const stream = session.request(headers);
      let bytes = 0;
      let status: unknown;
      stream.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
      });
      stream.on("trailers", (trailers) => {
        status = trailers["grpc-status"];
      });
      stream.on("error", reject);
      stream.on("end", () => {
        if (status === "0" && bytes > payloadBytes) resolve(messages);
        else reject(new Error(`expected more than ${payloadBytes} bytes and status 0, got ${bytes} and ${status}`));
      });
      stream.end(body);
    });
}
