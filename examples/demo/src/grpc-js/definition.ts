import {
  create,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";

/** A service of protobuf-es, as grpc-js takes it, by local names. Messages may be what `create` makes them of. */
export function definitionOf<Service extends DescService>(service: Service): ServiceDefinition<Service["method"]> {
  const methods = service.methods.map((method) => [method.localName, methodOf(method)]);
  return Object.fromEntries(methods) as ServiceDefinition<Service["method"]>;
}

type Init = MessageInitShape<DescMethod["input"]>;

function methodOf({ parent, name, methodKind, input, output }: DescMethod): MethodDefinition<Init, Init> {
  return {
    path: `/${parent.typeName}/${name}`,
    requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
    responseStream: methodKind === "server_streaming" || methodKind === "bidi_streaming",
    requestSerialize: (init) => Buffer.from(toBinary(input, create(input, init))),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: (init) => Buffer.from(toBinary(output, create(output, init))),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}
