import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../gen/grpc/health/v1/health_pb.ts";
import type { HealthRegistry, WatchedStatus } from "./registry.ts";

/** Most services that `List` tells, as in grpc-go; the protocol leaves the number to the server. */
const maxListed = 100;

const wire: Readonly<Record<WatchedStatus, Status>> = {
  unknown: Status.UNKNOWN,
  serving: Status.SERVING,
  notServing: Status.NOT_SERVING,
  serviceUnknown: Status.SERVICE_UNKNOWN,
};

/** Serves grpc.health.v1.Health from a registry: a route for the router of a Connect server. */
export function healthService(registry: HealthRegistry): (router: ConnectRouter) => void {
  return (router) => {
    router.service(Health, {
      check({ service }) {
        const status = registry.get(service);
        if (status !== undefined) return { status: wire[status] };
        throw new ConnectError(`unknown service ${JSON.stringify(service)}`, Code.NotFound);
      },

      list() {
        const statuses = [...registry.list()];
        if (statuses.length > maxListed) {
          const message = `${statuses.length} services are more than are listed, which are ${maxListed}: Check those in question`;
          throw new ConnectError(message, Code.ResourceExhausted);
        }
        return {
          statuses: Object.fromEntries(statuses.map(([service, status]) => [service, { status: wire[status] }])),
        };
      },

      async *watch({ service }, { signal }) {
        for await (const status of registry.watch(service, { signal })) yield { status: wire[status] };
        signal.throwIfAborted();
        // Its registry was closed: the connection drains, and a stream without an end would hold it. The status is none
        // that clients read as an answer: OK would look like the end of a loop that is done, UNIMPLEMENTED means healthy
        // (gRFC A17). Clients ask again after any other, at once if they were told something; on this connection they
        // are not told a second time, so that they wait before the third.
        throw new ConnectError("the server is shutting down: no health is told any more", Code.Unavailable);
      },
    });
  };
}
