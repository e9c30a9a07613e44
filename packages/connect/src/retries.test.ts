import { Code } from "@connectrpc/connect";
import {
  leastRequest,
  maglev,
  neverQueue,
  type Policy,
  peakEwma,
  random,
  ringHash,
  roundRobin,
  shortestExpectedDelay,
  weightedRoundRobin,
} from "@evenkeel/core";
import { describe, expect, it } from "vitest";
import { failureOf } from "../test-helpers/failure.ts";
import {
  addressOf,
  answerGrpc,
  attemptsAfter,
  envelope,
  failGrpc,
  grpcHead,
  headersOf,
  lost,
  podMessage,
  pushback,
  readyCalls,
} from "../test-helpers/scripted-calls.ts";

describe("an RPC that fails as Unavailable", () => {
  it("is sent again, to another pod, with growing delays, 3 times in all, if it is idempotent", async () => {
    const all = await readyCalls();
    const { client, streams } = all;
    const failure = failureOf(client.ping({}));
    expect(await attemptsAfter(all, 0)).toBe(1);
    failGrpc(streams[0]!, 14, [["grpc-message", "not now"]]);
    expect(await attemptsAfter(all, 49)).toBe(1);
    expect(await attemptsAfter(all, 1)).toBe(2);
    failGrpc(streams[1]!, 14);
    expect(await attemptsAfter(all, 99)).toBe(2);
    expect(await attemptsAfter(all, 1)).toBe(3);
    failGrpc(streams[2]!, 14, [["grpc-message", "not now"]]);
    // what a server says stays as it is
    expect(await failure).toMatchObject({ code: Code.Unavailable, rawMessage: "not now", isWireError: true });
    expect(new Set(streams.map((stream) => addressOf(all, stream))).size).toBe(3);
    expect(streams.map((stream) => headersOf(stream)["grpc-previous-rpc-attempts"])).toEqual([undefined, "1", "2"]);
    expect(await attemptsAfter(all, 10_000)).toBe(3);
  });

  it("is not sent again if it is not idempotent, nor with another code", async () => {
    const all = await readyCalls();
    const charge = failureOf(all.client.charge({}));
    const ping = failureOf(all.client.ping({}));
    await all.clock.advance(0);
    failGrpc(all.streams[0]!, 14);
    failGrpc(all.streams[1]!, 8);
    expect((await charge).code).toBe(Code.Unavailable);
    expect((await ping).code).toBe(Code.ResourceExhausted);
    expect(await attemptsAfter(all, 10_000)).toBe(2);
  });

  it("spreads its delays by 20 % both ways", async () => {
    for (const [value, wait] of [
      [0, 40],
      [0.999_999, 60],
    ] as const) {
      const all = await readyCalls({ random: () => value });
      const call = all.client.ping({});
      await all.clock.advance(0);
      failGrpc(all.streams[0]!, 14);
      expect(await attemptsAfter(all, wait - 1)).toBe(1);
      expect(await attemptsAfter(all, 1)).toBe(2);
      answerGrpc(all.streams[1]!);
      expect(await call).toMatchObject({ pod: "pod" });
    }
  });

  it("goes elsewhere at once where its connection was lost, and says so when all were", async () => {
    const all = await readyCalls();
    const failure = failureOf(all.client.ping({}));
    await all.clock.advance(0);
    all.streams[0]!.break(lost);
    expect(await attemptsAfter(all, 0)).toBe(2);
    all.streams[1]!.break(lost);
    expect(await attemptsAfter(all, 99)).toBe(2);
    expect(await attemptsAfter(all, 1)).toBe(3);
    all.streams[2]!.break(lost);
    expect((await failure).rawMessage).toMatch(/^it broke: .* \(3 attempts\)$/);
    expect(new Set(all.streams.map((stream) => addressOf(all, stream))).size).toBe(3);
  });

  it("fails with what its last attempt failed with where no connection is left for another", async () => {
    const all = await readyCalls({ addresses: ["10.0.0.1:80"] });
    const failure = failureOf(all.client.ping({}));
    await all.clock.advance(0);
    failGrpc(all.streams[0]!, 14, [["grpc-message", "the database is away"]]);
    all.transport.channel.destroy();
    await all.clock.advance(1_000);
    expect(await failure).toMatchObject({ code: Code.Unavailable, rawMessage: "the database is away" });
  });

  it("keeps its deadline", async () => {
    const all = await readyCalls({ retry: { initialBackoffMs: 300, maxAttempts: 5 } });
    const failure = failureOf(all.client.ping({}, { timeoutMs: 800 }));
    await all.clock.advance(0);
    failGrpc(all.streams[0]!, 14);
    expect(await attemptsAfter(all, 300)).toBe(2);
    expect(headersOf(all.streams[1]!)["grpc-timeout"]).toBe("500m");
    failGrpc(all.streams[1]!, 14);
    await all.clock.advance(500);
    expect((await failure).code).toBe(Code.DeadlineExceeded);
    expect(await attemptsAfter(all, 10_000)).toBe(2);
    expect(all.clock.pendingRef).toBe(0);
  });

  it("is not counted where it never happened", async () => {
    const all = await readyCalls({ retry: { maxAttempts: 2 } });
    const call = all.client.ping({});
    await all.clock.advance(0);
    all.streams[0]!.break({ ...lost, fate: "unprocessed" });
    await all.clock.advance(0);
    failGrpc(all.streams[1]!, 14);
    expect(await attemptsAfter(all, 50)).toBe(3);
    answerGrpc(all.streams[2]!);
    await call;
    expect(all.streams.map((stream) => headersOf(stream)["grpc-previous-rpc-attempts"])).toEqual([
      undefined,
      undefined,
      "1",
    ]);
  });

  it("replaces what its caller says of earlier attempts, as where a server passes its headers on", async () => {
    const all = await readyCalls();
    const call = all.client.ping({}, { headers: { "grpc-previous-rpc-attempts": "4" } });
    await all.clock.advance(0);
    failGrpc(all.streams[0]!, 14);
    await all.clock.advance(50);
    const sent = all.streams[1]!.head.furtherHeaders?.filter(([name]) => name === "grpc-previous-rpc-attempts");
    expect(sent).toEqual([["grpc-previous-rpc-attempts", "1"]]);
    answerGrpc(all.streams[1]!);
    await call;
  });

  it.each([
    [503, "an HTTP status"],
    [429, "too many requests"],
  ])("may come as HTTP %d", async (status) => {
    const all = await readyCalls({ protocol: "connect" });
    const call = all.client.ping({});
    await all.clock.advance(0);
    all.streams[0]!.respond({ status, body: [Buffer.from("<p>busy")] });
    expect(await attemptsAfter(all, 50)).toBe(2);
    all.streams[1]!.respond({ headers: [["content-type", "application/proto"]], body: [podMessage] });
    all.streams[1]!.complete();
    expect(await call).toMatchObject({ pod: "pod" });
    // the first response may end by itself, and is cut off when it does not
    await all.clock.advance(1_000);
    expect(all.streams[0]!.result).toMatchObject({ kind: "broken" });
  });
});

describe("pushback", () => {
  it("is waited for, exactly, and the delays begin anew", async () => {
    const all = await readyCalls({ retry: { maxAttempts: 4 }, random: () => 0 });
    const call = all.client.ping({});
    await all.clock.advance(0);
    failGrpc(all.streams[0]!, 14);
    await all.clock.advance(40);
    failGrpc(all.streams[1]!, 14, pushback("700"));
    expect(await attemptsAfter(all, 699)).toBe(2);
    expect(await attemptsAfter(all, 1)).toBe(3);
    failGrpc(all.streams[2]!, 14);
    expect(await attemptsAfter(all, 39)).toBe(3);
    expect(await attemptsAfter(all, 1)).toBe(4);
    answerGrpc(all.streams[3]!);
    expect(await call).toMatchObject({ pod: "pod" });
  });

  it.each(["-1", "-100", "", "soon", "1.5", "01", "4294967296", "1, 2"])("of %j lets nothing follow", async (value) => {
    const all = await readyCalls();
    const failure = failureOf(all.client.ping({}));
    await all.clock.advance(0);
    failGrpc(all.streams[0]!, 14, pushback(value));
    expect((await failure).code).toBe(Code.Unavailable);
    expect(await attemptsAfter(all, 10_000)).toBe(1);
  });

  it("of 0 has the next attempt follow at once, but no more than there may be, nor after a code that is not retried", async () => {
    const all = await readyCalls({ retry: { maxAttempts: 2 } });
    const [first, second] = [failureOf(all.client.ping({})), failureOf(all.client.ping({}))];
    await all.clock.advance(0);
    failGrpc(all.streams[0]!, 14, pushback("0"));
    failGrpc(all.streams[1]!, 9, pushback("0"));
    expect((await second).code).toBe(Code.FailedPrecondition);
    expect(await attemptsAfter(all, 0)).toBe(3);
    failGrpc(all.streams[2]!, 14, pushback("0"));
    expect((await first).code).toBe(Code.Unavailable);
    expect(await attemptsAfter(all, 10_000)).toBe(3);
  });
});

describe("a policy", () => {
  const methods = {
    "demo.v1.DemoService/Charge": { retryableCodes: [Code.Aborted, Code.Unavailable] },
    "demo.v1.DemoService/Ping": false,
  } as const;

  it("for a method counts whatever the method, also where it is not known what became of it", async () => {
    const all = await readyCalls({ retry: { initialBackoffMs: 20, methods } });
    const call = all.client.charge({});
    await all.clock.advance(0);
    failGrpc(all.streams[0]!, 10);
    expect(await attemptsAfter(all, 20)).toBe(2);
    all.streams[1]!.break(lost);
    expect(await attemptsAfter(all, 40)).toBe(3);
    answerGrpc(all.streams[2]!);
    expect(await call).toMatchObject({ pod: "pod" });
  });

  it("of false leaves what never happened, and nothing else", async () => {
    for (const retry of [{ methods }, false] as const) {
      const all = await readyCalls({ retry });
      const failure = failureOf(all.client.ping({}));
      await all.clock.advance(0);
      all.streams[0]!.break({ ...lost, fate: "unprocessed" });
      await all.clock.advance(0);
      all.streams[1]!.break(lost);
      expect((await failure).code).toBe(Code.Unavailable);
      expect(await attemptsAfter(all, 10_000)).toBe(2);
    }
  });

  it("of false for a method is a promise that a hedge for its service does not break", async () => {
    const all = await readyCalls({
      retry: { methods: { "demo.v1.DemoService/Charge": false } },
      hedging: { methods: { "demo.v1.DemoService": { hedgingDelayMs: 0 } } },
    });
    const charge = all.client.charge({});
    expect(await attemptsAfter(all, 1_000)).toBe(1);
    answerGrpc(all.streams[0]!);
    await charge;
  });

  it("of all methods leaves those that are not idempotent alone; one of their service does not", async () => {
    const general = await readyCalls({ retry: { maxAttempts: 5, retryableCodes: [Code.Unavailable, Code.Aborted] } });
    const failure = failureOf(general.client.charge({}));
    await general.clock.advance(0);
    failGrpc(general.streams[0]!, 10);
    expect((await failure).code).toBe(Code.Aborted);
    const named = await readyCalls({
      retry: { retryableCodes: [Code.Aborted], methods: { "demo.v1.DemoService": {}, ...methods } },
    });
    const call = (async () => {
      for await (const _ of named.client.count({}));
    })();
    await named.clock.advance(0);
    failGrpc(named.streams[0]!, 10);
    expect(await attemptsAfter(named, 50)).toBe(2);
    answerGrpc(named.streams[1]!);
    await call;
  });
});

describe("a stream", () => {
  const retry = { methods: { "demo.v1.DemoService": {} } };

  it("that ends as Unavailable with its headers, before any message, is sent again", async () => {
    for (const protocol of ["grpc", "grpc-web", "connect"] as const) {
      const all = await readyCalls({ retry, protocol });
      const pods: string[] = [];
      const reading = (async () => {
        for await (const { pod } of all.client.count({})) pods.push(pod);
      })();
      await all.clock.advance(0);
      const [first] = all.streams;
      if (protocol === "grpc") failGrpc(first!, 14);
      if (protocol === "grpc-web") {
        const headers = [["content-type", "application/grpc-web+proto"]] as const;
        first!.respond({ headers, body: [envelope("grpc-status: 14\r\n", 0x80)] });
      }
      if (protocol === "connect") {
        const headers = [["content-type", "application/connect+proto"]] as const;
        first!.respond({ headers, body: [envelope('{"error":{"code":"unavailable"}}', 2)] });
      }
      expect(await attemptsAfter(all, 50)).toBe(2);
      const type = {
        grpc: "application/grpc",
        "grpc-web": "application/grpc-web+proto",
        connect: "application/connect+proto",
      };
      const end = { grpc: [], "grpc-web": [envelope("grpc-status: 0\r\n", 0x80)], connect: [envelope("{}", 2)] };
      all.streams[1]!.respond({
        headers: [["content-type", type[protocol]]],
        body: [envelope(podMessage), ...end[protocol]],
        trailers: protocol === "grpc" ? [["grpc-status", "0"]] : [],
      });
      all.streams[1]!.complete();
      await reading;
      expect(pods).toEqual(["pod"]);
    }
  });

  it("is not, once its headers or a message were handed out", async () => {
    for (const body of [[], [envelope(podMessage)]]) {
      const all = await readyCalls({ retry });
      const reading = failureOf(
        (async () => {
          for await (const _ of all.client.count({}));
        })(),
      );
      await all.clock.advance(0);
      all.streams[0]!.respond({ ...grpcHead, body });
      if (body.length === 0) await all.clock.advance(0);
      all.streams[0]!.sendTrailers([["grpc-status", "14"]]);
      all.streams[0]!.complete();
      expect((await reading).code).toBe(Code.Unavailable);
      expect(await attemptsAfter(all, 10_000)).toBe(1);
    }
  });

  it("shows its headers when it fails with them for good", async () => {
    const all = await readyCalls({ retry: false });
    const seen: (string | null)[] = [];
    const onHeader = (header: Headers): void => void seen.push(header.get("x-a"));
    const reading = failureOf(
      (async () => {
        for await (const _ of all.client.count({}, { onHeader }));
      })(),
    );
    await all.clock.advance(0);
    all.streams[0]!.respond({ headers: [...grpcHead.headers, ["x-a", "1"]], trailers: [["grpc-status", "14"]] });
    all.streams[0]!.complete();
    expect((await reading).code).toBe(Code.Unavailable);
    expect(seen).toEqual(["1"]);
  });

  it("of requests is sent again while they are kept", async () => {
    const all = await readyCalls({ retry });
    const source = (size: number) =>
      (async function* () {
        yield { number: 1, payload: new Uint8Array(size) };
      })();
    const call = all.client.collect(source(10));
    const large = failureOf(all.client.collect(source(300 * 1024)));
    await all.clock.advance(0);
    failGrpc(all.streams[0]!, 14);
    all.streams[1]!.break(lost);
    expect((await large).rawMessage).toContain("(too much of the request was sent to keep it)");
    expect(await attemptsAfter(all, 50)).toBe(3);
    expect(all.streams[2]!.written).toEqual(all.streams[0]!.written);
    answerGrpc(all.streams[2]!);
    expect(await call).toMatchObject({ pod: "pod" });
  });
});

describe("the retry budget", () => {
  it("is that of the channel, and says when it is spent", async () => {
    const all = await readyCalls({ retryBudget: { ratio: 0, minPerSecond: 0.2 } });
    const failures = [1, 2, 3].map(() => failureOf(all.client.ping({})));
    await all.clock.advance(0);
    for (const stream of [...all.streams]) stream.break(lost);
    expect(await attemptsAfter(all, 0)).toBe(5);
    for (const stream of all.streams.slice(3)) stream.break(lost);
    const messages = (await Promise.all(failures)).map(({ rawMessage }) => rawMessage);
    expect(messages.every((message) => message.includes("the retry budget is spent"))).toBe(true);
    expect(all.transport.channel.retryBudget.withdraw()).toBe(false);
    expect(await attemptsAfter(all, 4_999)).toBe(5);
  });

  it("bounds a storm in which all pods fail", async () => {
    const all = await readyCalls({ onStream: (stream) => failGrpc(stream, 14) });
    const rpcs: Promise<unknown>[] = [];
    for (let second = 0; second < 20; second++) {
      for (let rpc = 0; rpc < 100; rpc++) rpcs.push(all.client.ping({}).catch(() => {}));
      await all.clock.advance(1_000);
    }
    await all.clock.advance(10_000);
    await Promise.all(rpcs);
    const retries = all.streams.length - rpcs.length;
    // what was saved up, 10 a second and a fifth of the RPCs
    expect(retries).toBeLessThanOrEqual(100 + 20 * 10 + 2_000 * 0.2);
    expect(retries).toBeGreaterThan(500);
  });
});

describe("further attempts go to pods that the RPC was not tried on", () => {
  const sticky: Policy = (_previous, [first]) => ({ pick: () => ({ kind: "complete", candidate: first }) });
  const policies: readonly [name: string, policy: Policy][] = [
    ["roundRobin", roundRobin()],
    ["leastRequest", leastRequest()],
    ["peakEwma", peakEwma()],
    ["shortestExpectedDelay", shortestExpectedDelay()],
    ["neverQueue", neverQueue()],
    ["random", random()],
    ["weightedRoundRobin", weightedRoundRobin()],
    ["ringHash", ringHash({ key: { header: "x-key" } })],
    ["maglev", maglev({ key: { header: "x-key" } })],
    ["a policy that always chooses the same", sticky],
  ];

  it.each(policies)("with %s, until there is none", async (_name, policy) => {
    for (const options of [
      { retry: { maxAttempts: 5 } },
      { retry: { methods: { "demo.v1.DemoService": { maxAttempts: 5 } } } },
      { hedging: { maxAttempts: 5, hedgingDelayMs: 10 } },
    ]) {
      const all = await readyCalls({ policy, ...options });
      const others = Array.from({ length: 5 }, () => all.client.collect(never()));
      for (const each of others) each.catch(() => {});
      await all.clock.advance(0);
      const failure = failureOf(all.client.ping({}));
      await all.clock.advance(0);
      const attempts = all.streams.slice(5);
      for (let attempt = 0; attempt < 5; attempt++) {
        const stream = all.streams[5 + attempt]!;
        attempts[attempt] = stream;
        stream.break(lost);
        await all.clock.advance(1_200);
      }
      expect((await failure).code).toBe(Code.Unavailable);
      expect(attempts).toHaveLength(5);
      expect(new Set(attempts.slice(0, 3).map((stream) => addressOf(all, stream))).size).toBe(3);
      all.transport.destroy();
    }
  });
});

/** A request that is never whole. */
async function* never(): AsyncGenerator<{ number: number }> {
  yield { number: 1 };
  await new Promise(() => {});
}
