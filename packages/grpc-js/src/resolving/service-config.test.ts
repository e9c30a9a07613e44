import { describe, expect, test } from "vitest";
import { registerRecorder } from "../../test-helpers/recording-balancer.ts";
import { serviceConfigFault } from "./service-config.ts";

const { name: known } = registerRecorder();

function faultOf(config: unknown): string | undefined {
  return serviceConfigFault({ "grpc.service_config": JSON.stringify(config) }, ["ours", "theirs"]);
}

describe("a service config", () => {
  test.each([
    {},
    { loadBalancingConfig: [] },
    { methodConfig: [] },
    { loadBalancingPolicy: "pick_first" },
    { loadBalancingPolicy: "PICK_FIRST" },
    { loadBalancingConfig: [{ round_robin: {} }] },
    { loadBalancingConfig: [{ pick_first: { shuffleAddressList: true } }] },
    { loadBalancingConfig: [{ nope: {} }, { [known]: {} }] },
    { loadBalancingConfig: [{ [known]: {} }, { pick_first: { shuffleAddressList: 1 } }] },
    { loadBalancingConfig: [{ round_robin: {} }], loadBalancingPolicy: "nope" },
    { retryThrottling: { maxTokens: 10, tokenRatio: 0.1 }, healthCheckConfig: {}, load_balancing: 1 },
  ])("%j is used", (config) => {
    expect(faultOf(config)).toBeUndefined();
  });

  test("may be missing, as may be its text", () => {
    expect(serviceConfigFault({}, [])).toBeUndefined();
    expect(serviceConfigFault({ "grpc.service_config": "" }, [])).toBeUndefined();
  });

  test.each([
    [
      { loadBalancingConfig: [{ nope: {} }, { never: {} }] },
      "loadBalancingConfig: no policy is called nope or never; evenkeel's register() adds ours, theirs",
    ],
    [
      { loadBalancingConfig: [{ nope: {} }, { pick_first: { shuffleAddressList: 1 } }, { round_robin: {} }] },
      "loadBalancingConfig: pick_first: pick_first config field shuffleAddressList must be a boolean if provided",
    ],
    [
      { loadBalancingConfig: ["a", "b", "c", "d", "e", "f"].map((name) => ({ [name]: {} })) },
      "loadBalancingConfig: no policy is called a or b or c or d or e … and 1 more; evenkeel's register() adds ours, theirs",
    ],
    [
      { loadBalancingConfig: ["a", "b", "c", "d", "e"].map((name) => ({ [name]: {} })) },
      "loadBalancingConfig: no policy is called a or b or c or d or e; evenkeel's register() adds ours, theirs",
    ],
    [
      { loadBalancingConfig: [{ constructor: {} }] },
      "loadBalancingConfig: no policy is called constructor; evenkeel's register() adds ours, theirs",
    ],
    [
      { loadBalancingPolicy: "ROUND_ROBIN" },
      'grpc-js ignores loadBalancingPolicy: write {"loadBalancingConfig":[{"round_robin":{}}]}',
    ],
    [
      { loadBalancingPolicy: "Nope" },
      "loadBalancingPolicy: no policy is called Nope; evenkeel's register() adds ours, theirs",
    ],
    [
      { loadBalancingPolicy: "constructor" },
      "loadBalancingPolicy: no policy is called constructor; evenkeel's register() adds ours, theirs",
    ],
    [[{ round_robin: {} }], "expected an object, got an array"],
    [{ load_balancing_config: [{ round_robin: {} }] }, "load_balancing_config: write loadBalancingConfig"],
    [{ LoadBalancingConfig: [], loadBalancingConfig: [] }, "LoadBalancingConfig: write loadBalancingConfig"],
    [{ load_balancing_policy: "pick_first" }, "load_balancing_policy: write loadBalancingPolicy"],
    [{ methodconfig: [] }, "methodconfig: write methodConfig"],
    [{ retry_throttling: {} }, "retry_throttling: write retryThrottling"],
    [{ methodConfig: { name: [{}] } }, "methodConfig: expected an array"],
    [{ methodConfig: null }, "methodConfig: expected an array"],
  ])("%j would silently become another", (config, fault) => {
    expect(faultOf(config)).toBe(`grpc.service_config: ${fault}`);
  });
});
