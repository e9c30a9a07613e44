import { once } from "node:events";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import type { EndpointSlice } from "@evenkeel/kubernetes";
import { startApiServer } from "@evenkeel/testing";
import { jobOfProgram, runProgram, tell } from "../program.ts";
import type { ApiJob, ChangeOrder } from "./messages.ts";

// An API server with slices whose endpoints are all one server, and one endpoint that comes and goes.
await runProgram(async () => {
  const { endpoints, slices } = jobOfProgram<ApiJob>();
  const server = createServer().listen(0, "0.0.0.0");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const api = await startApiServer();
  for (let slice = 0; slice < slices; slice++) api.setSlice(sliceOf(slice, endpoints / slices, port, true));
  process.on("message", ({ ready }: ChangeOrder) => {
    const changed = sliceOf(slices - 1, endpoints / slices, port, ready);
    const at = String(process.hrtime.bigint());
    api.setSlice(changed);
    tell({ kind: "changed", at });
  });
  const { url, token, ca } = api;
  tell({ kind: "ready", port, url, token, ca });
});

/** A slice of pods on loopback addresses; `lastIsReady` is said of the last of them. */
function sliceOf(index: number, size: number, port: number, lastIsReady: boolean): EndpointSlice {
  const pods = Array.from({ length: size }, (_, pod) => `orders-${index}-${pod}`);
  return {
    metadata: {
      name: `orders-${index}`,
      namespace: "shop",
      labels: { "kubernetes.io/service-name": "orders" },
    },
    addressType: "IPv4",
    ports: [{ name: "grpc", port, protocol: "TCP" }],
    endpoints: pods.map((name, pod) => ({
      addresses: [`127.${100 + index}.${pod >> 7}.${(pod & 127) + 1}`],
      conditions: { ready: pod < size - 1 || lastIsReady, serving: true, terminating: false },
      targetRef: { kind: "Pod", namespace: "shop", name, uid: `uid-of-${name}` },
      nodeName: `node-${pod % 20}`,
      zone: `zone-${pod % 3}`,
    })),
  };
}
