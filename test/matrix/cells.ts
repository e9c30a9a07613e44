type Protocol = "h2" | "h1";

export const serverNames = [
  "connect-node-h2c",
  "connect-node-tls",
  "fastify-h2c",
  "connect-node-h1",
  "fastify-h1",
] as const;

export type ServerName = (typeof serverNames)[number];

export const servers: Readonly<Record<ServerName, { readonly protocol: Protocol; readonly tls: boolean }>> = {
  "connect-node-h2c": { protocol: "h2", tls: false },
  "connect-node-tls": { protocol: "h2", tls: true },
  "fastify-h2c": { protocol: "h2", tls: false },
  "connect-node-h1": { protocol: "h1", tls: false },
  "fastify-h1": { protocol: "h1", tls: false },
};

export const clientNames = [
  "evenkeel-connect",
  "evenkeel-grpc",
  "grpc-js-rr",
  "connect-node-grpc",
  "evenkeel-connect-h1",
  "connect-node-h1",
] as const;

export type ClientName = (typeof clientNames)[number];

export const clients: Readonly<Record<ClientName, { readonly protocol: Protocol; readonly isOurs: boolean }>> = {
  "evenkeel-connect": { protocol: "h2", isOurs: true },
  "evenkeel-grpc": { protocol: "h2", isOurs: true },
  "grpc-js-rr": { protocol: "h2", isOurs: false },
  "connect-node-grpc": { protocol: "h2", isOurs: false },
  "evenkeel-connect-h1": { protocol: "h1", isOurs: true },
  "connect-node-h1": { protocol: "h1", isOurs: false },
};

/** `none` is for comparison: what a client loses without any event is not the event's. */
export const eventNames = ["max-age", "rolling", "none"] as const;

export type EventName = (typeof eventNames)[number];

export const retireNames = ["two-phase", "one-phase"] as const;

export type RetireName = (typeof retireNames)[number];

/** A cluster of its own: pods that are alike. */
export interface Setup {
  readonly server: ServerName;
  readonly event: EventName;
  readonly retire: RetireName;
}

/** One client of such a cluster. */
export interface Cell extends Setup {
  readonly client: ClientName;
}

/** What the command line chooses from each dimension. */
export interface Choice {
  readonly servers: readonly ServerName[];
  readonly clients: readonly ClientName[];
  readonly events: readonly EventName[];
  readonly retires: readonly RetireName[];
}

/** The clusters of a choice, each with its cells: those whose client speaks what the server does. */
export function setupsOf(choice: Choice): readonly (readonly [Setup, readonly Cell[]])[] {
  return choice.servers.flatMap((server) => {
    const speaking = choice.clients.filter((client) => clients[client].protocol === servers[server].protocol);
    if (speaking.length === 0) return [];
    return choice.events.flatMap((event) =>
      choice.retires.map((retire) => {
        const setup = { server, event, retire };
        return [setup, speaking.map((client) => ({ ...setup, client }))] as const;
      }),
    );
  });
}
