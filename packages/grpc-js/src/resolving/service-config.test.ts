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
      { loadBalancingPolicy: "ROUND_ROBIN" },
      'grpc-js ignores loadBalancingPolicy: write {"loadBalancingConfig":[{"round_robin":{}}]}',
    ],
  ])("%j would silently become another", (config, fault) => {
    expect(faultOf(config)).toBe(`grpc.service_config: ${fault}`);
  });
});
