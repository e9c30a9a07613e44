import http2 from "node:http2";
import { createLifecycle } from "../../src/index.ts";

// argv: the options as JSON, then whether a hook fails
const options = JSON.parse(process.argv[2] ?? "{}");
const lifecycle = createLifecycle(options);
const server = http2.createServer((request, response) => {
  if (request.url !== "/stuck") response.end();
});
lifecycle.manage(server);
lifecycle.onPhase((phase) => console.log(phase));
lifecycle.onShutdown(() => {
  console.log("hook");
  if (process.argv[3] === "fail") throw new Error("the hook failed");
});
lifecycle.shutdownOnSignals();
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  console.log(typeof address === "object" ? address?.port : "");
});
