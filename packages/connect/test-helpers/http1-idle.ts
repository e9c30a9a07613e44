import { Agent } from "node:http";
import { createEndpoint, parseTarget } from "@evenkeel/core";
import { createHttp1Connector } from "../src/http1/connector.ts";

/** Makes connections to a port, one of which is never used, sends requests, and closes nothing. */
const port = Number(process.argv[2]);
let answered = 0;

for (const [requests, agent] of [
  [0, undefined],
  [2, undefined],
  [1, new Agent({ keepAlive: true })],
] as const) {
  const connector = createHttp1Connector({
    target: parseTarget("http://orders.test"),
    nodeOptions: { agent },
  });
  const connection = connector.connect(createEndpoint({ host: "127.0.0.1", port }), {
    ready() {
      for (let count = 0; count < requests; count++) {
        const head = { method: "POST", path: "/", headers: [], endStream: true };
        connection.open(head, { headers() {}, data() {}, drained() {}, trailers() {}, closed });
      }
    },
    capacity() {},
    suspicion() {},
    goaway() {},
    closed() {},
  });
}

function closed(): void {
  answered++;
  if (answered === 3) console.log(`3 ${Date.now()}`);
}

// nothing else keeps the process alive while the sockets connect, as a waiting RPC would
setTimeout(() => {}, 500);
