import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { DemoService, type Work } from "./gen/demo/v1/demo_pb.ts";

/** The unary methods of DemoService, whose responses name `pod`. */
export function routes(pod: string): (router: ConnectRouter) => void {
  return (router) => {
    router.service(DemoService, {
      async ping({ work }, context) {
        return { pod, payload: await perform(work, context) };
      },
      async charge({ work }, context) {
        return { pod, payload: await perform(work, context) };
      },
    });
  };
}

/** Takes the time that is asked for, unless the RPC ends before; the payload for the response. */
async function perform(work: Work | undefined, { signal }: HandlerContext): Promise<Uint8Array<ArrayBuffer>> {
  if (work === undefined) return new Uint8Array();
  if (work.delayMs > 0) await sleep(work.delayMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  return new Uint8Array(work.payloadBytes);
}
