import { type Clock, createEndpoint, type ResolverUpdate, systemClock, systemRandom } from "@evenkeel/core";
import { FakeClock } from "@evenkeel/testing";
import { experimental, Server, ServerCredentials, status } from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { ScriptedResolver } from "../../test-helpers/scripted-resolver.ts";
import {
  createEchoCaller,
  type EchoServer,
  startEchoServer,
  startEchoServers,
  withPolicy,
} from "../../test-helpers/servers.ts";
import { createResolverType } from "./resolver-type.ts";

/** grpc-js puts re-resolution off for so long, in milliseconds, unless it is answered. */
const backoff = { "grpc.initial_reconnect_backoff_ms": 600_000 };

function registerScripted(clock: Clock = systemClock): ScriptedResolver {
  const core = new ScriptedResolver();
  const type = createResolverType(core, { clock, random: systemRandom, policyNames: [] });
  experimental.registerResolver("scripted", type);
  return core;
}

function setOf(servers: readonly Pick<EchoServer, "address">[]): ResolverUpdate {
  const endpoints = servers.map(({ address }) =>
    createEndpoint({ host: "127.0.0.1", port: Number(address.split(":")[1]) }),
  );
  return { kind: "endpoints", endpoints };
}

/** A server whose connections get a GOAWAY when it is told so. */
async function startDrainable(): Promise<{ address: string; drain(): void }> {
  const server = new Server();
  onTestFinished(() => server.forceShutdown());
  const address = await new Promise<string>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(`127.0.0.1:${port}`) : reject(error),
    );
  });
  return { address, drain: () => server.drain(address, 10_000) };
}

describe("the resolver is asked at once", () => {
  test("for every pod that leaves", async () => {
    const servers = await startEchoServers(0, 0, 0);
    const core = registerScripted();
    core.first = [setOf(servers)];
    const { call } = createEchoCaller("scripted:///orders", { ...withPolicy("round_robin"), ...backoff });
    while (servers.some(({ calls }) => calls === 0)) await call();
    for (const server of servers.slice(1)) {
      const before = core.hints;
      server.close();
      await vi.waitUntil(() => core.hints > before, { timeout: 4_000 });
    }
    expect(await call()).toBeUndefined();
  });

  test("for every GOAWAY", async () => {
    const servers = [await startDrainable(), await startDrainable()] as const;
    const core = registerScripted();
    core.first = [setOf(servers)];
    const { call } = createEchoCaller("scripted:///orders", { ...withPolicy("round_robin"), ...backoff });
    await vi.waitUntil(async () => (await call())?.code === status.UNIMPLEMENTED);
    for (const server of [...servers, servers[0]]) {
      const before = core.hints;
      server.drain();
      await vi.waitUntil(() => core.hints > before, { timeout: 4_000 });
    }
    expect(await call()).toMatchObject({ code: status.UNIMPLEMENTED });
  });
});

describe.each(["round_robin", "pick_first"])("under %s", (policy) => {
  test("RPCs fail with the reason while there is no endpoint, and go through when there is one", async () => {
    const server = await startEchoServer();
    const core = registerScripted();
    core.first = [{ kind: "endpoints", endpoints: [] }];
    const { call } = createEchoCaller("scripted:///orders", withPolicy(policy));
    const code = status.UNAVAILABLE;
    const none = expect.stringContaining("scripted:///orders: it has no endpoints");
    expect(await call()).toMatchObject({ code, details: none });
    expect(await call()).toMatchObject({ code, details: none });
    core.say({ kind: "notFound", error: new Error("no such Service") });
    const gone = "scripted:///orders: its endpoints could not be learnt: no such Service";
    await vi.waitUntil(async () => (await call())?.details === gone);
    core.say(setOf([server]));
    await vi.waitUntil(async () => (await call()) === undefined);
  });

  test("RPCs do not wait for ever for a first answer, and go through when it comes late", async () => {
    const server = await startEchoServer();
    const clock = new FakeClock();
    const core = registerScripted(clock);
    const { call } = createEchoCaller("scripted:///orders", withPolicy(policy));
    const failure = call();
    await vi.waitUntil(() => core.started.length === 1);
    await clock.advance(20_000);
    expect((await failure)?.details).toContain("no answer of the resolver within 20 s");
    core.say(setOf([server]));
    await vi.waitUntil(async () => (await call()) === undefined);
  });

  test("an error of the resolver loses nothing, and is in the message once the endpoints are lost, too", async () => {
    const server = await startEchoServer();
    const core = registerScripted();
    core.first = [setOf([server])];
    const { call } = createEchoCaller("scripted:///orders", withPolicy(policy));
    expect(await call()).toBeUndefined();
    core.say({ kind: "error", error: new Error("no DNS") });
    for (let rpc = 0; rpc < 3; rpc++) expect(await call()).toBeUndefined();
    server.close();
    const noted = "scripted:///orders: the resolver fails: no DNS";
    await vi.waitUntil(async () => (await call())?.details.includes(noted), { timeout: 4_000 });
  });
});

test("a channel that goes idle closes its resolver, and starts it again", async () => {
  const server = await startEchoServer();
  const core = registerScripted();
  core.first = [setOf([server])];
  const options = { ...withPolicy("round_robin"), "grpc.client_idle_timeout_ms": 1_000 };
  const { call, client } = createEchoCaller("scripted:///orders", options);
  expect(await call()).toBeUndefined();
  await vi.waitUntil(() => core.closed === 1, { timeout: 4_000 });
  expect(await call()).toBeUndefined();
  expect(core.started).toHaveLength(2);
  client.close();
  expect(core.closed).toBe(2);
});
