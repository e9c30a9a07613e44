import { create, toBinary } from "@bufbuild/protobuf";
import { createContextKey, createContextValues, encodeBinaryHeader, type Interceptor } from "@connectrpc/connect";
import { type Candidate, type Outcome, type PickInfo, type Policy, roundRobin } from "@evenkeel/core";
import type { ScriptedStream } from "@evenkeel/testing";
import { describe, expect, it } from "vitest";
import {
  answerGrpc,
  envelope,
  failGrpc,
  grpcHead,
  podMessage,
  type ScriptedCallsOptions,
  scriptedCalls,
} from "../test-helpers/scripted-calls.ts";
import { OrcaLoadReportSchema } from "./gen/xds/data/orca/v3/orca_load_report_pb.ts";

interface Seen {
  readonly path: string;
  readonly key: string | undefined;
  readonly agent: string | undefined;
  readonly context: string | undefined;
  readonly message: unknown;
}

const tenant = createContextKey("none");

/** Calls whose policy takes notes of what it is shown. */
function watched(options: ScriptedCallsOptions = {}): ReturnType<typeof scriptedCalls> & {
  readonly infos: Seen[];
  readonly outcomes: Outcome[];
} {
  const infos: Seen[] = [];
  const outcomes: Outcome[] = [];
  const policy: Policy = (previous, candidates, context) => {
    const picker = roundRobin()(previous, candidates, context);
    return {
      pick(info: PickInfo) {
        infos.push({
          path: info.path,
          key: info.header?.("x-key"),
          agent: info.header?.("user-agent"),
          context: info.contextValues?.get(tenant),
          message: info.message,
        });
        return picker.pick(info);
      },
      report(_: Candidate, outcome: Outcome) {
        outcomes.push(outcome);
      },
    };
  };
  return { ...scriptedCalls({ policy, ...options }), infos, outcomes };
}

const callOptions = { headers: { "X-Key": "a" }, contextValues: createContextValues().set(tenant, "blue") };

describe("a policy sees of an RPC", () => {
  it("its path, headers as they are sent, context values and its message, unary and of a server stream", async () => {
    const { client, infos } = watched({ onStream: answerGrpc });
    await client.ping({ payload: new Uint8Array([7]) }, callOptions);
    for await (const _ of client.count({ to: 3 }, callOptions));
    expect(infos).toMatchObject([
      { path: "/demo.v1.DemoService/Ping", key: "a", context: "blue", message: { payload: new Uint8Array([7]) } },
      { path: "/demo.v1.DemoService/Count", key: "a", context: "blue", message: { to: 3 } },
    ]);
    expect(infos[0]?.agent).toContain("evenkeel");
    expect(infos.map(({ message }) => (message as { $typeName: string }).$typeName)).toEqual([
      "demo.v1.PingRequest",
      "demo.v1.CountRequest",
    ]);
  });

  it("what interceptors made of it", async () => {
    const change: Interceptor = (next) => (request) => {
      request.header.set("x-key", "changed");
      const contextValues = createContextValues().set(tenant, "green");
      if (!request.stream) {
        const message = { ...request.message, payload: new Uint8Array([9]) };
        return next({ ...request, contextValues, message });
      }
      const { message } = request;
      const messages = (async function* () {
        for await (const each of message) yield { ...each, to: 9 };
      })();
      return next({ ...request, contextValues, message: messages });
    };
    const { client, infos } = watched({ interceptors: [change], onStream: answerGrpc });
    await client.ping({}, callOptions);
    for await (const _ of client.count({ to: 3 }, callOptions));
    expect(infos).toMatchObject([
      { key: "changed", context: "green", message: { payload: new Uint8Array([9]) } },
      { key: "changed", context: "green", message: { to: 9 } },
    ]);
  });

  it("no message where there may be several", async () => {
    const { client, infos } = watched({ onStream: answerGrpc });
    await client.collect(
      (async function* () {
        yield { number: 1 };
      })(),
    );
    expect(infos).toMatchObject([{ path: "/demo.v1.DemoService/Collect", message: undefined }]);
  });

  it("nothing where the request of a server stream cannot be read: it is not sent", async () => {
    const { transport, infos } = watched();
    const { count } = (await import("../gen/demo/v1/demo_pb.ts")).DemoService.method;
    const none = {
      [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new TypeError("the source is dry")) }),
    };
    await expect(transport.stream(count, undefined, undefined, undefined, none)).rejects.toMatchObject({
      rawMessage: "the source is dry",
    });
    expect(infos).toEqual([]);
  });
});

const report = create(OrcaLoadReportSchema, {
  cpuUtilization: 0.5,
  applicationUtilization: 1.25,
  rpsFractional: 40,
  namedMetrics: { queue: 3 },
});
const encoded = encodeBinaryHeader(toBinary(OrcaLoadReportSchema, report));
const metrics = ["endpoint-load-metrics-bin", encoded] as const;
const pod = ["x-evenkeel-pod", "pod-7"] as const;
const load = { cpuUtilization: 0.5, applicationUtilization: 1.25, rps: 40, eps: 0, namedMetrics: { queue: 3 } };

type Answer = (stream: ScriptedStream, ...fields: (readonly [string, string])[]) => void;

/** Ways to end an RPC with a load report, well and with an error. */
const answers: readonly [name: string, options: ScriptedCallsOptions, answer: Answer][] = [
  [
    "trailers of gRPC",
    {},
    (stream, ...fields) => {
      const trailers = [["grpc-status", "0"], ...fields] as const;
      stream.respond({ headers: [...grpcHead.headers, pod], body: [envelope(podMessage)], trailers });
      stream.complete();
    },
  ],
  [
    "trailers of gRPC with an error",
    {},
    (stream, ...fields) => {
      const trailers = [["grpc-status", "5"], ...fields] as const;
      stream.respond({ headers: [...grpcHead.headers, pod], trailers });
      stream.complete();
    },
  ],
  [
    "headers of gRPC without a body",
    {},
    (stream, ...fields) => {
      stream.respond({ headers: [...grpcHead.headers, ["grpc-status", "5"], pod, ...fields] });
      stream.complete();
    },
  ],
  [
    "trailers of gRPC-Web",
    { protocol: "grpc-web" },
    (stream, ...fields) => {
      const trailer = [["grpc-status", "0"], ...fields].map(([name, value]) => `${name}: ${value}\r\n`).join("");
      const headers = [["content-type", "application/grpc-web+proto"], pod] as const;
      stream.respond({ headers, body: [envelope(podMessage), envelope(trailer, 0x80)] });
      stream.complete();
    },
  ],
  [
    "headers of unary Connect",
    { protocol: "connect" },
    (stream, ...fields) => {
      const trailer = fields.map(([name, value]) => [`trailer-${name}`, value] as const);
      stream.respond({ headers: [["content-type", "application/proto"], pod, ...trailer], body: [podMessage] });
      stream.complete();
    },
  ],
  [
    "headers of unary Connect with an error",
    { protocol: "connect" },
    (stream, ...fields) => {
      const trailer = fields.map(([name, value]) => [`trailer-${name}`, value] as const);
      const headers = [["content-type", "application/json"], pod, ...trailer] as const;
      stream.respond({ status: 404, headers, body: [Buffer.from('{"code":"not_found"}')] });
      stream.complete();
    },
  ],
];

const passing: Interceptor = (next) => (request) => next(request);

describe.each(answers)("a policy learns of a server by the %s", (_name, options, answer) => {
  it.each([[[]], [[passing]]])("its load and its name, %#", async (interceptors) => {
    const onStream = (stream: ScriptedStream): void => answer(stream, metrics);
    const { client, outcomes } = watched({ ...options, interceptors, onStream });
    await client.charge({}).catch(() => {});
    expect(outcomes).toMatchObject([{ podName: "pod-7", load, isRefused: false, fate: "answered" }]);
    expect(outcomes[0]?.load).toBe(outcomes[0]?.load);
  });

  it.each(["%%%", "AAAA", encodeBinaryHeader(toBinary(OrcaLoadReportSchema, { ...report, eps: Number.NaN }))])(
    "no load that cannot be read (%s), which is no error of the RPC",
    async (value) => {
      const onStream = (stream: ScriptedStream): void => answer(stream, [metrics[0], value]);
      const { client, outcomes } = watched({ ...options, onStream });
      const result = await client.charge({}).catch(({ code }: { code: number }) => code);
      expect(outcomes).toMatchObject([{ podName: "pod-7", load: undefined }]);
      expect(result).toEqual(outcomes[0]?.code === 0 ? expect.objectContaining({ pod: "pod" }) : 5);
    },
  );
});

it("a policy learns of the load by the end of a stream of Connect, also where that is an error", async () => {
  const { client, outcomes } = watched({
    protocol: "connect",
    onStream(stream) {
      const end = { error: { code: "not_found" }, metadata: { [metrics[0]]: [encoded] } };
      const headers = [["content-type", "application/connect+proto"], pod] as const;
      stream.respond({ headers, body: [envelope(podMessage), envelope(JSON.stringify(end), 2)] });
    },
  });
  const reading = (async () => {
    for await (const _ of client.count({}));
  })();
  await expect(reading).rejects.toMatchObject({ code: 5 });
  expect(outcomes).toMatchObject([{ podName: "pod-7", load, code: 5 }]);
});

it("a policy learns whether a server refused an RPC", async () => {
  const { client, clock, streams, outcomes } = watched();
  const call = client.charge({});
  await clock.advance(0);
  const error = new Error("refused");
  streams[0]?.break({ fate: "unprocessed", errorCode: 7, error });
  await clock.advance(0);
  streams[1]?.break({ fate: "unprocessed", error });
  await clock.advance(0);
  failGrpc(streams[2]!, 5);
  await expect(call).rejects.toMatchObject({ code: 5 });
  expect(outcomes.map(({ isRefused, fate }) => ({ isRefused, fate }))).toEqual([
    { isRefused: true, fate: "unprocessed" },
    { isRefused: false, fate: "unprocessed" },
    { isRefused: false, fate: "answered" },
  ]);
});
