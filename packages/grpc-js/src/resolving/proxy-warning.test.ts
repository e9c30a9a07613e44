import { setImmediate as turn } from "node:timers/promises";
import { type Events, subscribe, systemClock, systemRandom } from "@evenkeel/core";
import { type ChannelOptions, experimental, logVerbosity, setLogVerbosity } from "@grpc/grpc-js";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { createEchoCaller, startEchoServers, withPolicy } from "../../test-helpers/servers.ts";
import { createResolverTypes } from "./resolver-types.ts";

const context = { clock: systemClock, random: systemRandom, policyNames: [] };
const noProxies = { grpc_proxy: "", https_proxy: "", http_proxy: "", no_grpc_proxy: "", no_proxy: "" };
const proxy = "http://127.0.0.1:1";

beforeEach(() => {
  for (const [scheme, type] of createResolverTypes({}, context)) experimental.registerResolver(scheme, type);
});

/** What is warned of from here on, in an environment with these variables. */
function watchWarnings(environment: Readonly<Record<string, string>>): unknown[][] {
  for (const [name, value] of Object.entries({ ...noProxies, ...environment })) vi.stubEnv(name, value);
  const emitWarning = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  onTestFinished(() => {
    vi.unstubAllEnvs();
    emitWarning.mockRestore();
  });
  return emitWarning.mock.calls;
}

describe("where grpc-js asks a proxy instead of a resolver of ours", () => {
  test.each([
    ["kubernetes:///orders.shop:8080", { http_proxy: proxy }, "http_proxy"],
    ["kubernetes:///orders.shop", { https_proxy: proxy, http_proxy: proxy }, "https_proxy"],
    ["static:///10.0.0.1:80,10.0.0.2:80", { grpc_proxy: proxy, https_proxy: proxy }, "grpc_proxy"],
    ["evenkeel-dns:///orders.shop:80", { http_proxy: proxy, no_proxy: "carts.shop" }, "http_proxy"],
  ])("%s with %j is warned of, once", async (target, environment, variable) => {
    const warnings = watchWarnings(environment);
    const events: Events["warning"][] = [];
    onTestFinished(subscribe("warning", (event) => events.push(event)));
    for (let channel = 0; channel < 2; channel++) {
      createEchoCaller(target);
      expect(warnings).toHaveLength(channel);
      await turn();
    }
    const message =
      `${target}: grpc-js asks the proxy of the environment's ${variable} for this target, and not evenkeel's ` +
      'resolver. Set the channel option "grpc.enable_http_proxy" to 0, or name the target\'s host in no_grpc_proxy.';
    expect(warnings).toEqual([[message, { type: "EvenkeelWarning", code: "EVENKEEL_PROXY" }]]);
    expect(events).toEqual([{ target, message }]);
  });
});

describe("nothing is warned of", () => {
  test.each<[string, Record<string, string>, ChannelOptions]>([
    ["without a proxy", {}, {}],
    ["where the channel takes none", { http_proxy: proxy }, { "grpc.enable_http_proxy": 0 }],
    ["where no_grpc_proxy has the host", { http_proxy: proxy, no_grpc_proxy: "127.0.0.1" }, {}],
    ["where no_proxy has the host", { grpc_proxy: proxy, no_proxy: "10.0.0.0/8,127.0.0.0/8" }, {}],
    [
      "where the authority is set",
      { http_proxy: proxy },
      { "grpc.enable_http_proxy": 0, "grpc.default_authority": "orders" },
    ],
  ])("%s, not for its connections either", async (_case, environment, options) => {
    const warnings = watchWarnings(environment);
    const [server] = await startEchoServers(0);
    const { call } = createEchoCaller(`static:///${server?.address}`, { ...withPolicy("round_robin"), ...options });
    expect(await call()).toBeUndefined();
    await turn();
    expect(warnings).toEqual([]);
  });

  test.each([
    ["kubernetes:///orders.shop:grpc", proxy],
    ["kubernetes:///carts.shop:80", "https://127.0.0.1:1"],
    ["kubernetes:///carts.shop:80", "a proxy"],
  ])("where grpc-js takes no proxy for %s, as for %j", async (target, http_proxy) => {
    setLogVerbosity(logVerbosity.NONE); // it says what is wrong with such a proxy
    onTestFinished(() => setLogVerbosity(logVerbosity.ERROR));
    const warnings = watchWarnings({ http_proxy });
    createEchoCaller(target);
    await turn();
    expect(warnings).toEqual([]);
  });

  test("without a proxy, of a channel that is not made", async () => {
    const warnings = watchWarnings({});
    expect(() => createEchoCaller("static:///10.0.0.3:80", { "grpc.service_config": "{" })).toThrow(SyntaxError);
    await turn();
    expect(warnings).toEqual([]);
  });
});
