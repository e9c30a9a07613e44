import { connect } from "node:net";
import { createLifecycle } from "../../src/index.ts";
import { serveProbes } from "../../src/probes.ts";

// ends by itself although the server listens and both ends of a connection are open
const { port } = await serveProbes(createLifecycle(), { port: 0, host: "127.0.0.1" });
const socket = connect(port, "127.0.0.1");
socket.write("GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n");
socket.once("data", (chunk) => {
  console.log(/^HTTP\/1\.1 (\d+)/.exec(chunk.toString())?.[1]);
  socket.unref();
});
