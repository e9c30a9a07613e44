import { type Clock, jitter, type Random } from "@evenkeel/core";
import type { ApiServer } from "../api/api-server.ts";
import { createServiceApi, type ServiceName } from "../api/service-api.ts";
import { ServiceWatch } from "./service-watch.ts";

/** How long a watch is asked to run, ±1/3: as client-go has it, so that watchers spread over API servers. */
const watchSeconds = 450;

const watches = new WeakMap<Clock, Map<string, ServiceWatch>>();

/** The one watch of this Service in the process. It runs while anyone listens. */
export function serviceWatchOf(
  server: ApiServer,
  name: ServiceName,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): ServiceWatch {
  const ofClock = watches.get(clock) ?? new Map<string, ServiceWatch>();
  watches.set(clock, ofClock);
  const key = JSON.stringify([server.key, name.namespace, name.service]);
  const running = ofClock.get(key);
  if (running !== undefined) return running;
  const api = createServiceApi(server, name, () => jitter(random, watchSeconds, 1 / 3));
  const watch = new ServiceWatch({ api, clock, random, unused: () => ofClock.delete(key) });
  ofClock.set(key, watch);
  return watch;
}
