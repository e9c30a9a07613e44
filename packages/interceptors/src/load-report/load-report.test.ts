import {
  Code,
  ConnectError,
  createClient,
  createContextValues,
  createRouterTransport,
  decodeBinaryHeader,
} from "@connectrpc/connect";
import { FakeClock } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { DemoService } from "../../gen/demo/v1/demo_pb.ts";
import { failureOf } from "../../test-helpers/failure.ts";
import {
  compose,
  type Handler,
  numbers,
  reader,
  streamRequest,
  streamResponse,
  unaryRequest,
  unaryResponse,
} from "../../test-helpers/fake-rpc.ts";
import { type Implementation, protocols, serve } from "../../test-helpers/server.ts";
import { type OrcaLoadReport, OrcaLoadReportSchema } from "../gen/xds/data/orca/v3/orca_load_report_pb.ts";
import { loadRecorder } from "./load-recorder.ts";
import { createLoadReport, type LoadReportOptions, loadReport, loadReportTrailer } from "./load-report.ts";

function reportIn(metadata: Headers): OrcaLoadReport {
  const value = metadata.get(loadReportTrailer);
  if (value === null) throw new Error("there is no report");
  return decodeBinaryHeader(value, OrcaLoadReportSchema);
}

/** Of a process that uses a quarter of its CPU, half of its memory, and three quarters of its event loop. */
function fakeUsage() {
  const measured: number[] = [];
  return {
    measured,
    measure(elapsedMs: number) {
      measured.push(elapsedMs);
      return { cpu: 0.25, memory: 0.5, eventLoop: 0.75 };
    },
  };
}

function setUp(options: LoadReportOptions = {}, handler: Handler = async () => unaryResponse()) {
  const clock = new FakeClock();
  const usage = fakeUsage();
  const call = compose([createLoadReport({ clock, ...options }, usage)], handler);
  return { clock, usage, call };
}

const nothing = { cpuUtilization: 0, memUtilization: 0, applicationUtilization: 0, rpsFractional: 0, eps: 0 };

describe("a load report", () => {
  test("says nothing before the first interval is over, and then what was in it", async () => {
    const { clock, usage, call } = setUp();
    for (let rpc = 0; rpc < 4; rpc++) {
      expect(reportIn((await call(unaryRequest())).trailer)).toMatchObject(nothing);
    }
    expect(usage.measured).toEqual([]);
    clock.tick(2_000);
    expect(reportIn((await call(unaryRequest())).trailer)).toMatchObject({
      cpuUtilization: 0.25,
      memUtilization: 0.5,
      applicationUtilization: 0.75,
      rpsFractional: 2.5,
      eps: 0,
      namedMetrics: {},
      requestCost: {},
      utilization: {},
    });
    expect(usage.measured).toEqual([2_000]);
  });

  test("looks at the process once per interval, and at nothing without RPCs", async () => {
    const { clock, usage, call } = setUp({ intervalMs: 100 });
    for (let rpc = 0; rpc < 100; rpc++) {
      clock.tick(10);
      await call(unaryRequest());
    }
    expect(usage.measured).toEqual(Array(10).fill(100));
    clock.tick(3_600_000);
    expect(usage.measured).toHaveLength(10);
    expect(clock.pending).toBe(0);
    await call(unaryRequest());
    expect(usage.measured.at(-1)).toBe(3_600_000);
  });

  test("has the application's own utilisation, where it gives one", async () => {
    for (const [given, reported] of [
      [0.4, 0.4],
      [1.7, 1.7],
      [0, 0],
      [-1, 0],
      [Number.NaN, 0],
      [Number.POSITIVE_INFINITY, 0],
    ] as const) {
      const { clock, call } = setUp({ applicationUtilization: () => given });
      clock.tick(1_000);
      expect(reportIn((await call(unaryRequest())).trailer).applicationUtilization).toBe(reported);
    }
  });

  test("counts failures, but for what the client cancelled", async () => {
    const thrown: unknown[] = [
      new ConnectError("no", Code.NotFound),
      new ConnectError("late", Code.DeadlineExceeded),
      new Error("broken"),
      "broken",
      new ConnectError("gone", Code.Canceled),
      new DOMException("aborted", "AbortError"),
    ];
    const { clock, call } = setUp({}, async () => {
      const error = thrown.shift();
      if (error !== undefined) throw error;
      return unaryResponse();
    });
    for (let rpc = 0; rpc < 6; rpc++) await call(unaryRequest()).catch(() => {});
    clock.tick(1_000);
    expect(reportIn((await call(unaryRequest())).trailer)).toMatchObject({ rpsFractional: 7, eps: 4 });
  });

  test("is in the metadata of a ConnectError, in place of another server's", async () => {
    const error = new ConnectError("no", Code.NotFound, { [loadReportTrailer]: "AAAA", "x-other": "1" });
    const { clock, call } = setUp({}, () => Promise.reject(error));
    clock.tick(1_000);
    const { metadata } = await failureOf(call(unaryRequest()));
    expect(reportIn(metadata).cpuUtilization).toBe(0.25);
    expect(metadata.get("x-other")).toBe("1");
  });

  test("comes with the end of a stream", async () => {
    const { clock, call } = setUp({}, async () => streamResponse(numbers(2)));
    const response = await call(streamRequest());
    const messages = reader(response);
    await messages.next();
    await messages.next();
    clock.tick(1_000);
    expect(response.trailer.has(loadReportTrailer)).toBe(false);
    await messages.next();
    expect(reportIn(response.trailer)).toMatchObject({ rpsFractional: 1, eps: 0 });
  });

  test("counts a stream once, however it ends", async () => {
    const broken = new ConnectError("broken", Code.DataLoss);
    const { clock, call } = setUp({}, async (request) =>
      request.stream
        ? streamResponse(
            (async function* () {
              yield {};
              throw broken;
            })(),
          )
        : unaryResponse(),
    );
    const failing = reader(await call(streamRequest()));
    await failing.next();
    await expect(failing.next()).rejects.toBe(broken);
    await failing.return?.();
    expect(broken.metadata.has(loadReportTrailer)).toBe(true);
    await reader(await call(streamRequest())).return?.();
    clock.tick(1_000);
    expect(reportIn((await call(unaryRequest())).trailer)).toMatchObject({ rpsFractional: 3, eps: 1 });
  });
});

describe("the recorder", () => {
  test("adds to the report of its RPC, and of no other", async () => {
    let rpcs = 0;
    const { clock, call } = setUp({}, async ({ contextValues }) => {
      if (rpcs++ > 0) return unaryResponse();
      const recorder = contextValues.get(loadRecorder);
      recorder.requestCost("db", 1);
      recorder.requestCost("db", 2);
      recorder.requestCost("refund", -5);
      recorder.namedMetric("queue", 17);
      recorder.utilization("disk", 0.9);
      return unaryResponse();
    });
    clock.tick(1_000);
    expect(reportIn((await call(unaryRequest())).trailer)).toMatchObject({
      cpuUtilization: 0.25,
      requestCost: { db: 2, refund: -5 },
      namedMetrics: { queue: 17 },
      utilization: { disk: 0.9 },
    });
    expect(reportIn((await call(unaryRequest())).trailer)).toMatchObject({ cpuUtilization: 0.25, requestCost: {} });
  });

  test("leaves out what its metric does not know", async () => {
    const { call } = setUp({}, async ({ contextValues }) => {
      const recorder = contextValues.get(loadRecorder);
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, "1" as unknown as number]) {
        recorder.requestCost("cost", value);
        recorder.namedMetric("metric", value);
      }
      for (const value of [-0.1, 1.1, Number.NaN]) recorder.utilization("disk", value);
      recorder.utilization("empty", 0);
      recorder.utilization("full", 1);
      recorder.requestCost("__proto__", 1);
      return unaryResponse();
    });
    expect(reportIn((await call(unaryRequest())).trailer)).toMatchObject({
      requestCost: {},
      namedMetrics: {},
      utilization: { empty: 0, full: 1 },
    });
    expect(Object.prototype).not.toHaveProperty("cost");
  });

  test("takes values without a loadReport(), and keeps none", () => {
    const recorder = createContextValues().get(loadRecorder);
    recorder.requestCost("db", 1);
    recorder.namedMetric("queue", 1);
    recorder.utilization("disk", 1);
    expect(Object.keys(loadRecorder.defaultValue)).toEqual(["requestCost", "namedMetric", "utilization"]);
  });
});

const implementation: Implementation = {
  ping: (_, { values }) => {
    values.get(loadRecorder).requestCost("db", 2);
    return {};
  },
  charge: (_, { values }) => {
    values.get(loadRecorder).namedMetric("queue", 3);
    throw new ConnectError("no", Code.FailedPrecondition);
  },
  async *count({ to }, { values }) {
    yield { number: 1 };
    values.get(loadRecorder).utilization("disk", 0.5);
    if (to === 0) throw new ConnectError("no", Code.FailedPrecondition);
  },
};

describe.each(protocols)("over %s", (_, connect) => {
  test("clients get reports with answers, failures and ends of streams", async () => {
    const clock = new FakeClock();
    const url = await serve(implementation, [createLoadReport({ clock }, fakeUsage())]);
    clock.tick(1_000);
    const client = createClient(DemoService, connect(url));
    const reports: OrcaLoadReport[] = [];
    const onTrailer = (trailer: Headers) => reports.push(reportIn(trailer));
    await client.ping({}, { onTrailer });
    for await (const _ of client.count({ to: 1 }, { onTrailer }));
    expect(reports).toMatchObject([
      { cpuUtilization: 0.25, memUtilization: 0.5, applicationUtilization: 0.75, requestCost: { db: 2 } },
      { cpuUtilization: 0.25, utilization: { disk: 0.5 } },
    ]);
    const failed = await failureOf(client.charge({}));
    expect(reportIn(failed.metadata)).toMatchObject({ cpuUtilization: 0.25, namedMetrics: { queue: 3 } });
    const broken = await failureOf(
      (async () => {
        for await (const _ of client.count({ to: 0 }));
      })(),
    );
    expect(reportIn(broken.metadata)).toMatchObject({ cpuUtilization: 0.25, utilization: { disk: 0.5 } });
  });
});

test("of a real process", async () => {
  const transport = createRouterTransport((router) => router.service(DemoService, implementation), {
    router: { interceptors: [loadReport({ intervalMs: 10 })] },
  });
  const client = createClient(DemoService, transport);
  const startedMs = performance.now();
  while (performance.now() - startedMs < 15); // work
  let report: OrcaLoadReport | undefined;
  const onTrailer = (trailer: Headers): void => {
    report = reportIn(trailer);
  };
  await client.ping({}, { onTrailer });
  for (const figure of ["cpuUtilization", "memUtilization", "applicationUtilization", "rpsFractional"] as const) {
    expect(report?.[figure]).toBeGreaterThan(0);
  }
});

test.each([
  [{ intervalMs: 9 }, RangeError, "intervalMs: expected a number from 10 to 2147483647 milliseconds, got 9"],
  [{ intervalMs: Number.POSITIVE_INFINITY }, RangeError, "intervalMs"],
  [{ applicationUtilization: 1 }, TypeError, "applicationUtilization: expected a function, got 1"],
  [{ clock: null }, TypeError, "clock: expected a clock, got null"],
  [{ interval: 1 }, TypeError, "interval: no option of loadReport, which has intervalMs"],
])("%o throws", (options, type, message) => {
  expect(() => loadReport(options as LoadReportOptions)).toThrow(type);
  expect(() => loadReport(options as LoadReportOptions)).toThrow(message);
});
