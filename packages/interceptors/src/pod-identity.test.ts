import { hostname } from "node:os";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createLifecycle, podHeader as lifecyclePodHeader } from "@evenkeel/server";
import { afterEach, describe, expect, test, vi } from "vitest";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import { failureOf } from "../test-helpers/failure.ts";
import { compose, unaryRequest, unaryResponse } from "../test-helpers/fake-rpc.ts";
import { protocols, serve } from "../test-helpers/server.ts";
import { podHeader, podIdentity } from "./pod-identity.ts";

afterEach(() => vi.unstubAllEnvs());

async function nameBy(interceptor: ReturnType<typeof podIdentity>): Promise<string | null> {
  const { header } = await compose([interceptor], async () => unaryResponse())(unaryRequest());
  return header.get(podHeader);
}

test("the name comes from POD_NAME, unless that is empty, as with a lifecycle", async () => {
  for (const name of ["orders-7d4b9-x2x8q", ""]) {
    vi.stubEnv("POD_NAME", name);
    expect(await nameBy(podIdentity())).toBe(name || hostname());
    expect(await nameBy(createLifecycle().interceptor)).toBe(name || hostname());
    expect(await nameBy(podIdentity({ podName: "pod-7" }))).toBe("pod-7");
  }
  expect(podHeader).toBe(lifecyclePodHeader);
});

test("beside a lifecycle there is one name", async () => {
  const both = [podIdentity({ podName: "pod-7" }), createLifecycle({ podName: "pod-8" }).interceptor];
  const { header } = await compose(both, async () => unaryResponse())(unaryRequest());
  expect(header.get(podHeader)).toBe("pod-7");
  const failing = compose(both, () => Promise.reject(new ConnectError("no")));
  expect((await failureOf(failing(unaryRequest()))).metadata.get(podHeader)).toBe("pod-7");
});

test("what is thrown otherwise is left as it is", async () => {
  for (const thrown of [new Error("no"), "no", undefined, Object.freeze(new Error("frozen"))]) {
    const failing = compose([podIdentity()], () => Promise.reject(thrown));
    const caught = await failing(unaryRequest()).then(
      () => "nothing",
      (error: unknown) => ({ error }),
    );
    expect(caught).toEqual({ error: thrown });
  }
});

describe.each(protocols)("over %s", (_, connect) => {
  test("the pod is named in headers, and in the metadata of failures", async () => {
    const url = await serve(
      {
        ping: () => ({}),
        charge: () => {
          throw new ConnectError("no", Code.FailedPrecondition);
        },
        async *count({ to }) {
          yield {};
          if (to > 1) throw new ConnectError("no", Code.FailedPrecondition);
        },
      },
      [podIdentity({ podName: "pod-7" })],
    );
    const client = createClient(DemoService, connect(url));
    const named: (string | null)[] = [];
    const onHeader = (header: Headers) => named.push(header.get(podHeader));
    await client.ping({}, { onHeader });
    for await (const _ of client.count({ to: 1 }, { onHeader }));
    await failureOf(
      (async () => {
        for await (const _ of client.count({ to: 2 }, { onHeader }));
      })(),
    );
    expect(named).toEqual(["pod-7", "pod-7", "pod-7"]);
    expect((await failureOf(client.charge({}))).metadata.get(podHeader)).toBe("pod-7");
  });
});

test.each([
  [{ podName: "" }, RangeError, 'podName: expected visible ASCII characters, got ""'],
  [{ podName: "a b" }, RangeError, "podName"],
  [{ podName: "püd" }, RangeError, "podName"],
  [{ podName: 7 as unknown as string }, TypeError, "podName: expected a string, got 7"],
  [{ name: "x" } as object, TypeError, "name: no option of podIdentity, which has podName"],
  [null as unknown as object, TypeError, "podIdentity: expected an object of options, got null"],
])("%o throws", (options, type, message) => {
  expect(() => podIdentity(options)).toThrow(type);
  expect(() => podIdentity(options)).toThrow(message);
});
