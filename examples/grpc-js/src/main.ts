import { generatedClient } from "./generated-client.ts";
import { loadedClient } from "./loaded-client.ts";
import { playRollout } from "./rollout.ts";

await playRollout({
  pod: new URL("./server.ts", import.meta.url),
  clients: { "proto-loader": loadedClient, generated: generatedClient },
});
