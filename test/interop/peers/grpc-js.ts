// A DemoService of @grpc/grpc-js, with messages of protobuf-es.
import { create, type DescMethod, fromBinary, type Message, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { AnySchema, anyPack } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import { ChargeResponseSchema, type ChatRequest, type CollectRequest, DemoService } from "../../gen/demo/v1/demo_pb.ts";
import { maxAgeMs, maxStreams, readCertificate, run } from "./run.ts";
import { type CallContext, Failure, type Service } from "./service.ts";

await run("grpc-js", async (name, port, service) => {
  const server = new grpc.Server({
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
    ...(name === "limited" ? { "grpc.max_concurrent_streams": maxStreams } : {}),
    ...(name === "retiring"
      ? { "grpc.max_connection_age_ms": maxAgeMs, "grpc.max_connection_age_grace_ms": 10_000 }
      : {}),
  });
  server.addService(definition(), handlers(service));
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, credentials(name), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
  return { port: bound, stop: () => new Promise((resolve) => server.tryShutdown(() => resolve())) };
});

function credentials(name: string): grpc.ServerCredentials {
  if (name !== "tls") return grpc.ServerCredentials.createInsecure();
  const { cert, key } = readCertificate();
  return grpc.ServerCredentials.createSsl(null, [{ cert_chain: cert, private_key: key }]);
}

function definition(): grpc.ServiceDefinition {
  return Object.fromEntries(
    DemoService.methods.map((method: DescMethod) => [
      method.localName,
      {
        path: `/${DemoService.typeName}/${method.name}`,
        requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
        responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
        requestSerialize: (message: Message) => Buffer.from(toBinary(method.input, message)),
        requestDeserialize: (bytes: Buffer) => fromBinary(method.input, bytes),
        responseSerialize: (init: MessageInitShape<typeof method.output>) =>
          Buffer.from(toBinary(method.output, create(method.output, init))),
        responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
      },
    ]),
  );
}

/** What all kinds of calls have. */
interface Call {
  on(event: "cancelled", listener: () => void): unknown;
  getDeadline(): grpc.Deadline;
}

function handlers(service: Service): grpc.UntypedServiceImplementation {
  type Request<K extends "ping" | "charge" | "count"> = Parameters<Service[K]>[0];
  type Done = grpc.sendUnaryData<object>;
  return {
    ping: (call: grpc.ServerUnaryCall<Request<"ping">, object>, done: Done) =>
      answer(service.ping(call.request, contextOf(call)), done),
    charge(call: grpc.ServerUnaryCall<Request<"charge">, object>, done: Done) {
      const response = service.charge(call.request, contextOf(call)).then((message) => {
        const metadata = new grpc.Metadata();
        metadata.set("x-header", "h");
        call.sendMetadata(metadata);
        return message;
      });
      answer(response, done, { "x-trailer": "t" });
    },
    count: (call: grpc.ServerWritableStream<Request<"count">, object>) =>
      answerEach(service.count(call.request, contextOf(call)), call),
    collect: (call: grpc.ServerReadableStream<CollectRequest, object>, done: Done) =>
      answer(service.collect(call, contextOf(call)), done),
    chat: (call: grpc.ServerDuplexStream<ChatRequest, object>) => answerEach(service.chat(call, contextOf(call)), call),
  };
}

function contextOf(call: Call): CallContext {
  const cancelled = new AbortController();
  call.on("cancelled", () => cancelled.abort());
  return { signal: cancelled.signal, hasDeadline: call.getDeadline() !== Number.POSITIVE_INFINITY };
}

function answer(
  response: Promise<object>,
  done: grpc.sendUnaryData<object>,
  trailer: Record<string, string> = {},
): void {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(trailer)) metadata.set(name, value);
  response.then(
    (message) => done(null, message, metadata),
    (error: unknown) => done(toServiceError(error)),
  );
}

async function answerEach(
  responses: AsyncIterable<object>,
  call: grpc.ServerWritableStream<unknown, object> | grpc.ServerDuplexStream<unknown, object>,
): Promise<void> {
  try {
    for await (const response of responses) {
      if (!call.write(response)) await new Promise((resolve) => call.once("drain", resolve));
    }
    call.end();
  } catch (error) {
    call.emit("error", toServiceError(error));
  }
}

function toServiceError(error: unknown): grpc.ServiceError {
  if (!(error instanceof Failure)) {
    const details = String(error);
    return Object.assign(new Error(details), { code: grpc.status.UNKNOWN, details, metadata: new grpc.Metadata() });
  }
  const metadata = new grpc.Metadata();
  metadata.set("x-reason", error.reason);
  metadata.set("grpc-status-details-bin", statusDetails(error));
  const status = { code: Number(error.code), details: error.message, metadata };
  return Object.assign(new Error(error.message), status);
}

/** A google.rpc.Status. */
function statusDetails({ code, message, detail }: Failure): Buffer {
  const any = toBinary(AnySchema, anyPack(ChargeResponseSchema, create(ChargeResponseSchema, detail)));
  const writer = new BinaryWriter();
  writer.tag(1, WireType.Varint).int32(code);
  writer.tag(2, WireType.LengthDelimited).string(message);
  writer.tag(3, WireType.LengthDelimited).bytes(any);
  return Buffer.from(writer.finish());
}
