import { readFile } from "node:fs/promises";
import http from "node:http";
import type { SecureClientSessionOptions } from "node:http2";
import https from "node:https";
import { PassThrough } from "node:stream";
import { createChannel, parseTarget } from "@evenkeel/core";
import { createHttp2Connector } from "@evenkeel/http2";
import { describe, expect, it } from "vitest";
import { createConnectTransport } from "./connect-transport.ts";
import { createGrpcTransport } from "./grpc-transport.ts";
import { createGrpcWebTransport } from "./grpc-web-transport.ts";
import type { ConnectTransportOptions } from "./options.ts";

const baseUrl = "http://orders.test:8080";

describe("options that are wrong throw at creation and name themselves", () => {
  it.each([
    [{ baseUrl: "orders.test:8080" }, /unsupported scheme "orders.test"/],
    [{ baseUrl: "" }, /malformed target ""/],
    [{ baseUrl: undefined }, /malformed target/],
    [{ baseUrl: "ftp://a" }, /unsupported scheme "ftp"/],
    [{ baseUrl, httpVersion: 2 }, /httpVersion: expected "1\.1" or "2", got 2/],
    [{ baseUrl, policy: "round_robin" }, /policy: expected a function such as roundRobin\(\)/],
    [{ baseUrl, resolver: {} }, /resolver: expected a function such as dns\(\)/],
    [{ baseUrl, sessionManager: {} }, /sessionManager is not supported: .* channel/],
    [{ baseUrl, nodeOptions: { settings: {} } }, /nodeOptions\.settings is not supported/],
    [{ baseUrl, pingIntervalMs: 0 }, /pingIntervalMs: expected more than 0/],
    [{ baseUrl, connectTimeoutMs: -5 }, /connectTimeoutMs: expected more than 0 milliseconds, got -5/],
    [{ baseUrl, idleConnectionTimeoutMs: "1s" }, /idleTimeoutMs|idleConnectionTimeoutMs/],
    [{ baseUrl, compressMinBytes: -1 }, /compressMinBytes: expected an integer from 0/],
    [{ baseUrl, readMaxBytes: 0 }, /readMaxBytes: expected an integer from 1/],
    [{ baseUrl, writeMaxBytes: 2 ** 33 }, /writeMaxBytes: expected an integer/],
    [{ baseUrl, defaultTimeoutMs: Number.NaN }, /defaultTimeoutMs: expected a number/],
    [{ baseUrl, retries: 3 }, /^retries: no option of a transport, which has .*\bretry\b/],
    [{ baseUrl, retry: true }, /^retry: expected an object, or false, got true/],
    [{ baseUrl, retry: null }, /^retry: expected an object, or false, got null/],
    [{ baseUrl, retry: { attempts: 3 } }, /^attempts: no option of retry, which has maxAttempts/],
    [{ baseUrl, retry: { maxAttempts: 1 } }, /^retry\.maxAttempts: expected an integer from 2 to 5, got 1/],
    [{ baseUrl, retry: { maxAttempts: 6 } }, /^retry\.maxAttempts/],
    [{ baseUrl, retry: { maxAttempts: 2.5 } }, /^retry\.maxAttempts/],
    [{ baseUrl, retry: { initialBackoffMs: 0 } }, /^retry\.initialBackoffMs: expected more than 0/],
    [
      { baseUrl, retry: { maxBackoffMs: Number.POSITIVE_INFINITY } },
      /^retry\.maxBackoffMs: expected at most 2147483647/,
    ],
    [{ baseUrl, retry: { initialBackoffMs: 2_000 } }, /^retry\.maxBackoffMs: expected at least .* 2000, got 1000/],
    [{ baseUrl, retry: { backoffMultiplier: 0.5 } }, /^retry\.backoffMultiplier: expected a number from 1 to 100/],
    [
      { baseUrl, retry: { retryableCodes: [] } },
      /^retry\.retryableCodes: expected codes such as \[Code\.Unavailable\]/,
    ],
    [{ baseUrl, retry: { retryableCodes: ["unavailable"] } }, /^retry\.retryableCodes/],
    [{ baseUrl, retry: { retryableCodes: [0] } }, /^retry\.retryableCodes/],
    [{ baseUrl, retry: { methods: new Map([["a.B/C", false]]) } }, /^retry\.methods: expected an object/],
    [{ baseUrl, retry: { methods: [] } }, /^retry\.methods: expected an object/],
    [
      { baseUrl, retry: { methods: { "/a.B/C": {} } } },
      /^retry\.methods: expected "package\.Service\/Method" or .*"\/a\.B\/C"/,
    ],
    [{ baseUrl, retry: { methods: { "a.B/": {} } } }, /^retry\.methods: expected/],
    [{ baseUrl, retry: { methods: { "": {} } } }, /^retry\.methods: expected/],
    [
      { baseUrl, retry: { methods: { "a.B": true } } },
      /^retry\.methods\["a\.B"\]: expected an object, or false, got true/,
    ],
    [{ baseUrl, retry: { methods: { "a.B": { methods: {} } } } }, /^methods: no option of retry\.methods\["a\.B"\]/],
    [
      { baseUrl, retry: { maxBackoffMs: 60, methods: { "a.B": { initialBackoffMs: 70 } } } },
      /^retry\.methods\["a\.B"\]\.maxBackoffMs/,
    ],
    [
      { baseUrl, hedging: { maxAttempts: 9, hedgingDelayMs: 1 } },
      /^hedging\.maxAttempts: expected an integer from 2 to 5/,
    ],
    [{ baseUrl, hedging: { hedgingDelayMs: -1 } }, /^hedging\.hedgingDelayMs: expected a number from 0/],
    [{ baseUrl, hedging: { hedgingDelay: 5 } }, /^hedgingDelay: no option of hedging/],
    [{ baseUrl, hedging: { maxAttempts: 3 } }, /^hedging\.hedgingDelayMs: expected milliseconds, got none/],
    [{ baseUrl, hedging: {} }, /^hedging\.hedgingDelayMs: expected milliseconds, got none/],
    [
      { baseUrl, hedging: { methods: { "a.B": {} } } },
      /^hedging\.methods\["a\.B"\]\.hedgingDelayMs: expected milliseconds/,
    ],
    [{ baseUrl, hedging: { hedgingDelayMs: 1, nonFatalCodes: [99] } }, /^hedging\.nonFatalCodes: expected codes/],
    [{ baseUrl, retry: { maxAttempts: 3 }, hedging: { hedgingDelayMs: 1 } }, /^hedging with retry\.maxAttempts: /],
    [
      { baseUrl, retry: { methods: { "a.B/C": {} } }, hedging: { methods: { "a.B/C": { hedgingDelayMs: 1 } } } },
      /^hedging\.methods\["a\.B\/C"\] with retry\.methods\["a\.B\/C"\]: a method is either/,
    ],
    [{ baseUrl, retryBudget: { ratio: -1 } }, /^retryBudget\.ratio: expected a number from 0 to 10, got -1/],
    [{ baseUrl, retryBudget: { minPerSecond: Number.NaN } }, /^retryBudget\.minPerSecond: expected a number/],
    [{ baseUrl, retryBudget: { perSecond: 1 } }, /^perSecond: no option of retryBudget, which has ratio, minPerSecond/],
    [{ baseUrl, retryBudget: 5 }, /^retryBudget: expected an object of options, got 5/],
    [{ baseUrl, outlierDetection: { intervalMs: 1 } }, /intervalMs/],
    [{ baseUrl, slowStart: {} }, /windowMs/],
    [{ baseUrl, locality: { zones: "a" } }, /zones: no option of locality/],
    [{ baseUrl, subset: 20 }, /^subset: expected a function/],
    [{ baseUrl, maxConnectionsPerEndpoint: 0 }, /^maxConnectionsPerEndpoint: expected an integer from 1 to 100, got 0/],
    [{ baseUrl, drainTimeoutMs: 0 }, /^drainTimeoutMs: expected more than 0/],
    [{ baseUrl, healthCheck: true }, /healthCheck must be \{ service, timeoutMs\? \} or \{ path, .* got true/],
    [{ baseUrl, healthCheck: null }, /healthCheck must be .* got null/],
    [{ baseUrl, healthCheck: { serviceName: "" } }, /healthCheck must be .* got the key serviceName/],
    [{ baseUrl, healthCheck: { path: "/", timeoutMs: 0 } }, /healthCheck\.timeoutMs must be above 0 and at most 2147/],
  ])("%j", (options, message) => {
    for (const create of [createConnectTransport, createGrpcTransport, createGrpcWebTransport]) {
      expect(() => create(options as unknown as ConnectTransportOptions)).toThrow(message);
    }
  });

  it("a channel together with what makes one, or of another server", () => {
    const connector = createHttp2Connector({ target: parseTarget(baseUrl) });
    const channel = createChannel({ target: baseUrl, connector });
    expect(() => createGrpcTransport({ baseUrl, channel, connectTimeoutMs: 1 })).toThrow(
      /connectTimeoutMs with channel/,
    );
    expect(() => createGrpcTransport({ baseUrl, channel, healthCheck: { service: "" } })).toThrow(
      /healthCheck with channel: give it to the transport that made the channel/,
    );
    expect(() => createGrpcTransport({ baseUrl, channel, retryBudget: {} })).toThrow(
      /retryBudget with channel: give it to the transport that made the channel/,
    );
    expect(createGrpcTransport({ baseUrl, channel, retry: { maxAttempts: 2 } }).channel).toBe(channel);
    expect(createGrpcTransport({ baseUrl, channel }).channel).toBe(channel);
    expect(createGrpcTransport({ baseUrl: `${baseUrl}/api`, channel }).channel).toBe(channel);
    for (const other of ["https://orders.test:8080", "http://orders.test", "http://payments.test:8080"]) {
      expect(() => createGrpcTransport({ baseUrl: other, channel })).toThrow(
        /baseUrl with channel: expected http:\/\/orders\.test:8080 as the channel's/,
      );
    }
  });
});

it("retries and hedges of different methods go together", () => {
  const hedged = { hedgingDelayMs: 0 };
  for (const options of [
    { retry: { maxAttempts: 2 }, hedging: { methods: { "a.B/C": hedged } } },
    { retry: { methods: { "a.B": {}, Health: false } }, hedging: { methods: { "a.B/C": hedged, "a.B/D": false } } },
    { retry: { methods: { "a.B/C": { maxAttempts: 5 } } }, hedging: hedged },
    { retry: false, hedging: { ...hedged, methods: { "a.B": { maxAttempts: 4 } } } },
    { retry: { methods: { "a.B/C": false } }, hedging: { methods: { "a.B/C": hedged } } },
    { retry: {}, hedging: false },
    { hedging: { hedgingDelayMs: 5, nonFatalCodes: [] } },
  ] as const) {
    createGrpcTransport({ baseUrl, ...options });
  }
});

it("options that are undefined are not given, also unknown ones", () => {
  const options = { baseUrl, retry: undefined, sessionManager: undefined, other: undefined };
  createGrpcTransport(options as unknown as ConnectTransportOptions);
});

describe('httpVersion "1.1"', () => {
  const httpVersion = "1.1";

  it("is not for gRPC", () => {
    expect(() => createGrpcTransport({ baseUrl, httpVersion })).toThrow(/httpVersion: gRPC needs "2", .*trailers/);
    const { channel } = createGrpcWebTransport({ baseUrl, httpVersion });
    expect(() => createGrpcTransport({ baseUrl, channel })).toThrow(/httpVersion: gRPC needs "2"/);
  });

  it("has a channel that is not one of HTTP/2", () => {
    const { channel } = createConnectTransport({ baseUrl, httpVersion });
    expect(createGrpcWebTransport({ baseUrl, channel }).channel).toBe(channel);
    expect(createGrpcWebTransport({ baseUrl, channel, httpVersion }).channel).toBe(channel);
    const differs = /httpVersion with channel: expected "1\.1" as the channel's, got "2"/;
    expect(() => createConnectTransport({ baseUrl, channel, httpVersion: "2" })).toThrow(differs);
    const other = createConnectTransport({ baseUrl }).channel;
    expect(() => createConnectTransport({ baseUrl, channel: other, httpVersion })).toThrow(
      /expected "2" .* got "1\.1"/,
    );
  });

  it.each([
    [{ pingIntervalMs: 1 }, /pingIntervalMs with httpVersion "1\.1": leave it out/],
    [{ pingIdleConnection: false }, /pingIdleConnection with httpVersion "1\.1"/],
    [{ nodeOptions: { timeout: 1 } }, /nodeOptions\.timeout is not supported with HTTP\/1\.1: .*timeoutMs/],
    [{ nodeOptions: { agent: {}, createConnection() {} } }, /nodeOptions\.createConnection with agent/],
    [{ connectTimeoutMs: 0 }, /connectTimeoutMs: expected more than 0/],
    [{ maxConnectionsPerEndpoint: 2 }, /maxConnectionsPerEndpoint with httpVersion "1\.1": leave it out/],
    [{ healthCheck: { service: "" } }, /healthCheck with httpVersion "1\.1" must be \{ path, .*HTTP\/2/],
  ])("does not take %j", (options, message) => {
    for (const create of [createConnectTransport, createGrpcWebTransport]) {
      expect(() => create({ baseUrl, httpVersion, ...options } as unknown as ConnectTransportOptions)).toThrow(message);
    }
  });

  it("takes what is typed for node:http and node:https", () => {
    const plain: http.RequestOptions = { agent: new http.Agent(), localAddress: "127.0.0.1" };
    const tls: Omit<https.RequestOptions, "signal"> = { agent: new https.Agent(), ca: "", rejectUnauthorized: false };
    for (const nodeOptions of [plain, tls]) createConnectTransport({ baseUrl, httpVersion, nodeOptions });
    createConnectTransport({ baseUrl, httpVersion, nodeOptions: () => plain });
  });
});

it("the README's table names every option, and no other", async () => {
  const read = (path: string): Promise<string> => readFile(new URL(path, import.meta.url), "utf8");
  const source = await read("./options.ts");
  const [, types = ""] = /interface CommonOptions \{(.*)export interface ProtocolOptions/s.exec(source) ?? [];
  const options = [...types.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name]) => name);
  const [, table = ""] = /## Options\n(.*?)\n## /s.exec(await read("../README.md")) ?? [];
  const rows = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
  expect(rows.length).toBeGreaterThan(20);
  expect(rows.toSorted()).toEqual([...new Set(options)].toSorted());
});

it("options that are typed for node:http2 are taken", () => {
  const nodeOptions: SecureClientSessionOptions = {
    rejectUnauthorized: false,
    createConnection: (_authority, _options) => new PassThrough(),
  };
  createGrpcTransport({ baseUrl, nodeOptions });
});
