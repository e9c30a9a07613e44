import type { ClientCompatRequest } from "./gen/proto/connectrpc/conformance/v1/client_compat_pb.ts";
import { type ClosableTransport, createTransport, type Library } from "./transports.ts";

/** Transports, of which those to one server share its connections for as long as one of them is open. */
export class SharedConnections {
  readonly #library: Library;
  readonly #servers = new Map<string, { owner: ClosableTransport; users: number }>();

  constructor(library: Library) {
    this.#library = library;
  }

  open(request: ClientCompatRequest): ClosableTransport {
    const name = `${request.host}:${request.port}`;
    const server = this.#servers.get(name) ?? { owner: createTransport(this.#library, request), users: 0 };
    server.users++;
    this.#servers.set(name, server);
    const transport = createTransport(this.#library, request, server.owner.channel);
    let isOpen = true;
    const close = async (): Promise<void> => {
      if (!isOpen) return;
      isOpen = false;
      if (--server.users > 0) return;
      this.#servers.delete(name);
      await server.owner.close?.();
    };
    return {
      unary: (...call) => transport.unary(...call),
      stream: (...call) => transport.stream(...call),
      close,
      destroy: () => void close(),
    };
  }
}
