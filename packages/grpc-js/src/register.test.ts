import { experimental } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { createEchoCaller, startEchoServers, withPolicy } from "../test-helpers/servers.ts";
import { policyTypes } from "./balancing/policy-types.ts";

const names = policyTypes.flatMap((type) => type.names);

class Foreign {
  getLoadBalancerName(): string {
    return "random";
  }
  toJsonObject(): object {
    return {};
  }
  static createFromJson(): Foreign {
    return new Foreign();
  }
}

// in one test, because what is registered stays so
test("register() adds policies and resolvers, once, and leaves names alone that others took", async () => {
  const { register } = await import("./index.ts");
  expect(names.filter((name) => experimental.isLoadBalancerNameRegistered(name))).toEqual([]); // nothing at import
  class LoadBalancer {}
  experimental.registerLoadBalancerType("random", LoadBalancer as never, Foreign);
  register();
  register();
  expect(names.filter((name) => !experimental.isLoadBalancerNameRegistered(name))).toEqual([]);
  expect(experimental.parseLoadBalancingConfig({ random: {} })).toBeInstanceOf(Foreign);
  const [server] = await startEchoServers(0);
  const { call } = createEchoCaller(`static:///${server?.address}`, withPolicy("least_request"));
  expect(await call()).toBeUndefined();
});

test("register() names the option that is wrong", async () => {
  const { register } = await import("./index.ts");
  expect(() => register({ dnss: {} } as never)).toThrow(/^dnss: no option of register/);
  expect(() => register({ kubernetes: { zone: 1 } } as never)).toThrow(/zone/);
});
