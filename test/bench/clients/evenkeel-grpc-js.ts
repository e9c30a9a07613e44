import { register } from "@evenkeel/grpc-js";
import type { ClientJob } from "../messages.ts";
import type { Caller } from "./client.ts";
import { addressesOf, grpcJsCaller } from "./grpc-js.ts";

/** grpc-js with our round robin, and nothing around it: as its own. */
export function openRoundRobin(job: ClientJob): Caller {
  return open(job, "evenkeel_round_robin");
}

export function openLeastRequest(job: ClientJob): Caller {
  return open(job, "least_request");
}

function open(job: ClientJob, policy: string): Caller {
  register();
  return grpcJsCaller(job, `static:///${addressesOf(job)}`, policy);
}
