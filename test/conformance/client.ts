import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { call } from "./call.ts";
import { readFrames, toFrame } from "./frames.ts";
import {
  type ClientCompatRequest,
  ClientCompatRequestSchema,
  ClientCompatResponseSchema,
} from "./gen/proto/connectrpc/conformance/v1/client_compat_pb.ts";
import { SharedConnections } from "./shared.ts";
import { type ClosableTransport, createTransport, type Library } from "./transports.ts";

// The client under test: reads requests from stdin and makes their RPCs, several at a time; writes what became of them
// to stdout, in the order of their ends; exits after the last one, or on SIGTERM.

/** RPCs at a time: most wait for the server. With more of them, on a slow machine, deadlines pass for want of CPU. */
const parallel = 12;
/** Longer than any RPC of the runner takes, shorter than the runner waits before it gives up on all cases. */
const settlesWithinMs = 10_000;

const open = await connectionsOf(process.argv[2]);

const underWay = new Set<Promise<void>>();
for await (const frame of readFrames(process.stdin)) {
  const answered = answer(fromBinary(ClientCompatRequestSchema, frame)).finally(() => underWay.delete(answered));
  underWay.add(answered);
  if (underWay.size >= parallel) await Promise.race(underWay);
}
await Promise.all(underWay);

async function connectionsOf(name: string | undefined): Promise<(request: ClientCompatRequest) => ClosableTransport> {
  const library: Library = await (name === "reference"
    ? import("@connectrpc/connect-node")
    : import("@evenkeel/connect"));
  if (name !== "shared") return (request) => createTransport(library, request);
  const shared = new SharedConnections(library);
  return (request) => shared.open(request);
}

async function answer(request: ClientCompatRequest): Promise<void> {
  const { testName } = request;
  const result = await resultOf(request).catch((error: unknown) => ({
    case: "error" as const,
    value: { message: error instanceof Error ? (error.stack ?? error.message) : String(error) },
  }));
  const response = create(ClientCompatResponseSchema, { testName, result });
  process.stdout.write(toFrame(toBinary(ClientCompatResponseSchema, response)));
}

async function resultOf(
  request: ClientCompatRequest,
): Promise<NonNullable<MessageInitShape<typeof ClientCompatResponseSchema>["result"]>> {
  const transport = open(request);
  const { promise: never, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`did not settle within ${settlesWithinMs} ms`)), settlesWithinMs);
  try {
    const value = await Promise.race([call(transport, request), never]);
    await Promise.race([transport.close?.(), never]);
    return { case: "response", value };
  } finally {
    clearTimeout(timer);
    transport.destroy?.();
  }
}
