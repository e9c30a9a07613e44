import type { Clock, Random } from "@evenkeel/core";
import { FakeClock } from "@evenkeel/testing";
import { onTestFinished } from "vitest";
import type { EndpointSlice } from "../src/api/endpoint-slice.ts";
import { Reflector } from "../src/watch/reflector.ts";
import { last, type ScriptedList, ScriptedServiceApi, type ScriptedWatch } from "./scripted-service-api.ts";
import { namesOf } from "./slices.ts";

export interface ReflectingOptions<C extends Clock> {
  readonly clock?: C;
  readonly random?: Random;
}

/** A reflector whose clock and API server the test drives. */
export class Reflecting<C extends Clock = FakeClock> {
  readonly clock: C;
  readonly api: ScriptedServiceApi;
  readonly reflector: Reflector;
  /** What was told, in its order. */
  readonly told: (readonly EndpointSlice[] | Error)[] = [];
  /** Called with what is told. */
  onTold: (told: readonly EndpointSlice[] | Error) => void = () => {};

  constructor({ clock = new FakeClock() as unknown as C, random = () => 0.5 }: ReflectingOptions<C> = {}) {
    this.clock = clock;
    this.api = new ScriptedServiceApi(clock);
    const tell = (told: readonly EndpointSlice[] | Error): void => {
      this.told.push(told);
      this.onTold(told);
    };
    this.reflector = new Reflector({ api: this.api, clock, random, synced: tell, failed: tell });
    onTestFinished(() => this.reflector.close());
  }

  /** What was told in short: names of slices, or messages. */
  get log(): readonly string[] {
    return this.told.map((told) => (told instanceof Error ? told.message : `[${namesOf(told)}]`));
  }

  get list(): ScriptedList {
    return last(this.api.lists);
  }

  get watch(): ScriptedWatch {
    return last(this.api.watches);
  }
}

/** Lists `slices`, version 10, and watches from there. */
export async function watching(
  slices: readonly EndpointSlice[] = [],
  options: ReflectingOptions<FakeClock> = {},
): Promise<Reflecting> {
  const reflecting = new Reflecting(options);
  reflecting.list.slices("10", slices);
  await reflecting.clock.advance(0);
  reflecting.watch.open();
  return reflecting;
}
