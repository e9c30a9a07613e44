import { createEndpoint, type ResolverUpdate } from "@evenkeel/core";
import { FakeClock } from "@evenkeel/testing";
import { type ChannelOptions, type experimental, status } from "@grpc/grpc-js";
import { expect } from "vitest";
import { faultPolicy } from "../src/balancing/fault.ts";
import { toEndpoint } from "../src/resolving/endpoints.ts";
import type { ResolverListener } from "../src/resolving/resolution.ts";
import { createResolverType } from "../src/resolving/resolver-type.ts";
import { ScriptedResolver } from "./scripted-resolver.ts";
import { uriOf } from "./targets.ts";

export const set = (...numbers: readonly number[]): ResolverUpdate => ({
  kind: "endpoints",
  endpoints: numbers.map((number) => createEndpoint({ host: `10.0.0.${number}`, port: 80 })),
});
export const error = (message: string): ResolverUpdate => ({ kind: "error", error: new Error(message) });
export const notFound = (message: string): ResolverUpdate => ({ kind: "notFound", error: new Error(message) });
export const nextTick = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

/**
 * What grpc-js would do with a resolver, and what it hears: `1 2 (note)` for endpoints, `! details` for errors,
 * `fault: details` for a channel that cannot work.
 */
export class Asking {
  readonly clock = new FakeClock();
  readonly core = new ScriptedResolver();
  readonly resolver: experimental.Resolver;
  readonly heard: string[] = [];
  readonly lists: experimental.Endpoint[][] = [];
  onHeard: () => void = () => {};

  constructor(options: ChannelOptions = {}, target = "scripted:///orders:80") {
    const type = createResolverType(this.core, { clock: this.clock, random: () => 0.5, policyNames: ["ours"] });
    const listener: ResolverListener = (list, attributes, serviceConfig, note) => {
      expect(attributes).toEqual({});
      this.heard.push(serviceConfig === null ? textOf(list, note) : faultOf(list, serviceConfig, note));
      if (list.ok) this.lists.push(list.value);
      this.onHeard();
      return true;
    };
    this.resolver = new type(uriOf(target), listener, options);
  }

  /** grpc-js asks; resolves to what it hears in the next tick. */
  async ask(): Promise<readonly string[]> {
    this.resolver.updateResolution();
    return this.told();
  }

  /** What was heard since the last time. */
  async told(): Promise<readonly string[]> {
    await nextTick();
    return this.heard.splice(0);
  }

  async say(...updates: readonly ResolverUpdate[]): Promise<readonly string[]> {
    this.core.say(...updates);
    return this.told();
  }

  /** What is heard until then, in fake milliseconds. */
  async after(ms: number): Promise<readonly string[]> {
    await this.clock.advance(ms);
    return this.told();
  }
}

function textOf(list: experimental.StatusOr<experimental.Endpoint[]>, note: string): string {
  if (!list.ok) {
    expect(list.error.code).toBe(status.UNAVAILABLE);
    expect(note).toBe(""); // nobody hears it
    return `! ${list.error.details}`;
  }
  const text = list.value.map((each) => toEndpoint(each).key.match(/(\d+):/)?.[1]).join(" ");
  return `${text}${note === "" ? "" : ` (${note})`}`;
}

function faultOf(
  list: experimental.StatusOr<experimental.Endpoint[]>,
  serviceConfig: NonNullable<Parameters<ResolverListener>[2]>,
  note: string,
): string {
  const loadBalancingConfig = [{ [faultPolicy]: { details: note } }];
  expect(list).toMatchObject({ ok: true, value: [] });
  expect(serviceConfig).toMatchObject({ ok: true, value: { loadBalancingConfig, methodConfig: [] } });
  return `fault: ${note}`;
}
