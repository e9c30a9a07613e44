import { playRollout } from "@evenkeel/example-grpc-js/rollout";
import { orderClient } from "./client.ts";

await playRollout({ pod: new URL("./server.ts", import.meta.url), clients: { "nice-grpc": orderClient } });
