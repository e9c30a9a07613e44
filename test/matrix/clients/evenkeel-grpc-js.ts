import { register } from "@evenkeel/grpc-js";
import type { ClientJob } from "../messages.ts";
import { type Charge, lookUpMs } from "./charge.ts";
import { chargeAt } from "./grpc-js.ts";

/** Our round robin in grpc-js, over the addresses of the headless Service that our DNS resolver finds. */
export function open(job: ClientJob): Charge {
  const { host, port, dns } = job;
  register({ dns: { servers: [dns], refreshMs: lookUpMs } });
  return chargeAt(`evenkeel-dns:///${host}:${port}`, "evenkeel_round_robin", job);
}
