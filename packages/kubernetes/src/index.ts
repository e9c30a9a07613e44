export type {
  EndpointConditions,
  EndpointHints,
  EndpointSlice,
  ObjectMeta,
  ObjectReference,
  SliceEndpoint,
  SlicePort,
} from "./api/endpoint-slice.ts";
