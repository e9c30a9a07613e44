import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { DemoService, type Work } from "./gen/demo/v1/demo_pb.ts";

/** The routes of DemoService, whose responses name `pod`. */
export function demoRoutes(pod: string): (router: ConnectRouter) => void {
  return (router) => {
    router.service(DemoService, {
      async ping({ work }, context) {
        return { pod, payload: await perform(work, context) };
      },
      async charge({ work }, context) {
        return { pod, payload: await perform(work, context) };
      },
      async *count({ work, to }, context) {
        for (let number = 1; number <= to; number++) yield { pod, number, payload: await perform(work, context) };
      },
      async collect(requests, context) {
        let last: Work | undefined;
        let sum = 0n;
        let received = 0;
        for await (const { work, number } of requests) {
          last = work;
          sum += BigInt(number);
          received++;
        }
        return { pod, sum, received, payload: await perform(last, context) };
      },
      async *chat(requests, context) {
        for await (const { work, text } of requests) yield { pod, text, payload: await perform(work, context) };
      },
    });
  };
}

/** Takes the time that is asked for, unless the RPC ends before; the payload for the response. */
export async function perform(
  work: Work | undefined,
  { signal }: Pick<HandlerContext, "signal">,
): Promise<Uint8Array<ArrayBuffer>> {
  if (work === undefined) return new Uint8Array();
  // with the reason of the abort, which is the deadline where that has passed
  if (work.delayMs > 0) await sleep(work.delayMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  return new Uint8Array(work.payloadBytes);
}
