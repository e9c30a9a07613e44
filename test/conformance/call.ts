import { createClient, type Transport } from "@connectrpc/connect";
import { Exchange } from "./exchange.ts";
import type {
  ClientCompatRequest,
  ClientResponseResult,
} from "./gen/proto/connectrpc/conformance/v1/client_compat_pb.ts";
import {
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  ConformanceService,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  UnaryRequestSchema,
  UnimplementedRequestSchema,
} from "./gen/proto/connectrpc/conformance/v1/service_pb.ts";

/**
 * Makes the RPC that the request describes and tells what became of it: also its `ConnectError` is a result. Any other
 * error is thrown, be it that the request makes no sense or that the transport does not keep to its contract.
 */
export async function call(transport: Transport, request: ClientCompatRequest): Promise<ClientResponseResult> {
  if (request.rawRequest !== undefined) throw new TypeError("raw_request: only the reference client sends these");
  const client = createClient(ConformanceService, transport);
  const exchange = new Exchange(request);
  const { options } = exchange;
  const { method } = ConformanceService;
  return exchange.run(async () => {
    switch (request.method) {
      case method.unary.name:
        return exchange.receive(await client.unary(await exchange.only(UnaryRequestSchema), options));
      case method.idempotentUnary.name:
        return exchange.receive(
          await client.idempotentUnary(await exchange.only(IdempotentUnaryRequestSchema), options),
        );
      case method.unimplemented.name:
        await client.unimplemented(await exchange.only(UnimplementedRequestSchema), options);
        return exchange.receive({});
      case method.clientStream.name:
        return exchange.receive(await client.clientStream(exchange.all(ClientStreamRequestSchema), options));
      case method.serverStream.name:
        return exchange.receiveAll(client.serverStream(await exchange.only(ServerStreamRequestSchema), options));
      case method.bidiStream.name:
        return exchange.receiveAll(client.bidiStream(exchange.all(BidiStreamRequestSchema), options));
      default:
        throw new TypeError(`method ${JSON.stringify(request.method)} is not one of ${ConformanceService.typeName}`);
    }
  });
}
