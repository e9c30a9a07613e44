import { openSync, writeSync } from "node:fs";
import { createServer } from "node:http2";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { createLifecycle } from "@evenkeel/server";
import { DemoService, type Work } from "../gen/demo/v1/demo_pb.ts";
import { bytesHeader, failHeader, faultOf, idHeader, payloadOf } from "./wire.ts";

// One pod. It writes the number of every charge into its ledger before it does anything else, so that the number is
// there even if the pod is killed in the next moment.
const { POD_NAME = "pod", POD_IP = "127.0.0.1", PORT = "8080", LEDGERS = ".", MAX_AGE_MS = "4000" } = process.env;
const pod = POD_NAME;
const ledger = openSync(join(LEDGERS, pod), "a");

function routes(router: ConnectRouter): void {
  router.service(DemoService, {
    async ping({ work, payload }, context) {
      checkRequest(payload, 0, context);
      return { pod, payload: await perform(work, 0, context) };
    },
    async charge({ work, payload }, context) {
      writeSync(ledger, `${numberIn(idHeader, context)}\n`);
      checkRequest(payload, 0, context);
      const answer = await perform(work, 0, context);
      const code = numberIn(failHeader, context);
      if (code !== 0) throw new ConnectError("as it was asked to", code as Code);
      return { pod, payload: answer };
    },
    async *count({ work, to }, context) {
      for (let number = 1; number <= to; number++) {
        yield { pod, number, payload: await perform(work, number, context) };
      }
    },
    async collect(requests, context) {
      let last: Work | undefined;
      let sum = 0n;
      let received = 0;
      for await (const { work, number, payload } of requests) {
        checkRequest(payload, number, context);
        last = work;
        sum += BigInt(number);
        received++;
      }
      return { pod, sum, received, payload: await perform(last, 0, context) };
    },
    async *chat(requests, context) {
      let number = 0;
      for await (const { work, text } of requests) {
        number++;
        yield { pod, text, payload: await perform(work, number, context) };
      }
    },
  });
}

/** Takes the time that is asked for; the payload of the response's message `number`. */
async function perform(
  work: Work | undefined,
  number: number,
  context: HandlerContext,
): Promise<Uint8Array<ArrayBuffer>> {
  const { signal } = context;
  if (work !== undefined && work.delayMs > 0) {
    // the signal's reason knows an abort from a deadline
    await sleep(work.delayMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
  return payloadOf(numberIn(idHeader, context) + number, work?.payloadBytes ?? 0);
}

function checkRequest(payload: Uint8Array, number: number, context: HandlerContext): void {
  const fault = faultOf(payload, numberIn(idHeader, context) + number, numberIn(bytesHeader, context));
  if (fault !== undefined) throw new ConnectError(`${pod} received ${fault}`, Code.DataLoss);
}

function numberIn(header: string, { requestHeader }: HandlerContext): number {
  return Number(requestHeader.get(header) ?? 0);
}

const lifecycle = createLifecycle({ podName: pod, readinessDelayMs: 300, maxConnectionAgeMs: Number(MAX_AGE_MS) });
const server = createServer(connectNodeAdapter({ routes, interceptors: [lifecycle.interceptor] }));
lifecycle.manage(server);
lifecycle.shutdownOnSignals();
server.listen(Number(PORT), POD_IP);
