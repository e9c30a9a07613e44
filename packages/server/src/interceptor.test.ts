import { Code, ConnectError, type ConnectRouter, createClient, createRouterTransport } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import { until } from "../test-helpers/raw-client.ts";
import { drainingSignal, podHeader } from "./interceptor.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { createLifecycle } from "./server-lifecycle.ts";

function clientOf(lifecycle: Lifecycle, implementation: Parameters<typeof routes>[1]) {
  const transport = createRouterTransport((router) => routes(router, implementation), {
    router: { interceptors: [lifecycle.interceptor] },
  });
  return createClient(DemoService, transport);
}
const routes = (router: ConnectRouter, implementation: Parameters<typeof router.service<typeof DemoService>>[1]) =>
  router.service(DemoService, implementation);

const inFlight = (lifecycle: Lifecycle): number => lifecycle.snapshot().rpcsInFlight;

test("names the pod in the response header", async () => {
  const client = clientOf(createLifecycle({ podName: "pod-7" }), {
    ping: () => ({}),
    async *count() {
      yield {};
    },
  });
  const headers: (string | null)[] = [];
  const onHeader = (header: Headers) => headers.push(header.get(podHeader));
  await client.ping({}, { onHeader });
  for await (const _ of client.count({}, { onHeader }));
  expect(headers).toEqual(["pod-7", "pod-7"]);
});

test("a unary RPC is in flight until it is answered or fails", async () => {
  const lifecycle = createLifecycle();
  const seen: number[] = [];
  const client = clientOf(lifecycle, {
    ping: () => {
      seen.push(inFlight(lifecycle));
      return {};
    },
    charge: () => {
      seen.push(inFlight(lifecycle));
      throw new ConnectError("no", Code.FailedPrecondition);
    },
  });
  await client.ping({});
  expect(inFlight(lifecycle)).toBe(0);
  await expect(client.charge({})).rejects.toThrow("no");
  expect(inFlight(lifecycle)).toBe(0);
  expect(seen).toEqual([1, 1]);
});

test("a stream is in flight until its last message, its failure, or its abandonment", async () => {
  const lifecycle = createLifecycle();
  const client = clientOf(lifecycle, {
    async *count({ to }, context) {
      yield { number: 1 };
      if (to === 1) return;
      if (to === 2) throw new ConnectError("broken");
      await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
    },
  });
  for await (const _ of client.count({ to: 1 })) expect(inFlight(lifecycle)).toBe(1);
  await until("the stream's end", () => inFlight(lifecycle) === 0);

  await expect(async () => {
    for await (const _ of client.count({ to: 2 })) expect(inFlight(lifecycle)).toBe(1);
  }).rejects.toThrow("broken");
  await until("the stream's failure", () => inFlight(lifecycle) === 0);

  const abort = new AbortController();
  await expect(async () => {
    for await (const _ of client.count({ to: 3 }, { signal: abort.signal })) {
      expect(inFlight(lifecycle)).toBe(1);
      abort.abort();
    }
  }).rejects.toThrow();
  await until("the stream's abandonment", () => inFlight(lifecycle) === 0);

  await expect(async () => {
    for await (const _ of client.count({ to: 3 }, { timeoutMs: 30 }));
  }).rejects.toThrow();
  await until("the stream's deadline", () => inFlight(lifecycle) === 0);
});

test("handlers learn that the server drains", async () => {
  const lifecycle = createLifecycle({ readinessDelayMs: 0 });
  const client = clientOf(lifecycle, {
    async *count(_, { values }) {
      yield { number: 1 };
      const draining = values.get(drainingSignal);
      if (!draining.aborted) await new Promise((resolve) => draining.addEventListener("abort", resolve));
      yield { number: 2 };
    },
  });
  const numbers: number[] = [];
  let shutdown: Promise<void> | undefined;
  for await (const { number } of client.count({})) {
    numbers.push(number);
    shutdown ??= lifecycle.shutdown();
  }
  await shutdown;
  expect(numbers).toEqual([1, 2]);
  expect(lifecycle.draining.aborted).toBe(true);
});

test("without a lifecycle the draining signal never aborts", () => {
  expect(drainingSignal.defaultValue.aborted).toBe(false);
  expect(typeof drainingSignal.id).toBe("symbol");
});

test("names the pod in the metadata of a failure", async () => {
  const client = clientOf(createLifecycle({ podName: "pod-7" }), {
    charge: () => {
      throw new ConnectError("no", Code.FailedPrecondition);
    },
  });
  await expect(client.charge({})).rejects.toSatisfy(
    (error) => error instanceof ConnectError && error.metadata.get(podHeader) === "pod-7",
  );
});
