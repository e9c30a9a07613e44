import { create, toBinary } from "@bufbuild/protobuf";
import { type Connection, createEndpoint } from "@evenkeel/core";
import { FakeClock, type ScriptedConnection, ScriptedConnector, type ScriptedStream } from "@evenkeel/testing";
import { healthChecking } from "../src/client/health-checking.ts";
import type { HealthCheck } from "../src/client/options.ts";
import {
  type HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
} from "../src/gen/grpc/health/v1/health_pb.ts";

export interface Checked {
  readonly clock: FakeClock;
  readonly connection: Connection;
  /** The one that is checked, whose peer is the test. */
  readonly inner: ScriptedConnection;
  /** What the owner was told, in its order; of health its state and reason. */
  readonly told: string[];
}

export interface CheckedOptions {
  /** Called after what was told was noted. */
  readonly onTold?: (what: string, connection: Connection) => void;
}

/** A connection to `pod-1` that dials. `random` 0.5 makes every jitter the middle of its range. */
export function dialChecked(check: HealthCheck, { onTold }: CheckedOptions = {}): Checked {
  const clock = new FakeClock();
  const scripted = new ScriptedConnector();
  const connector = healthChecking(scripted, check, { target: "http://orders:8080", clock, random: () => 0.5 });
  const told: string[] = [];
  const tell = (what: string): void => {
    told.push(what);
    onTold?.(what, connection);
  };
  const connection: Connection = connector.connect(
    createEndpoint({ key: "pod-1", podName: "pod-1", host: "10.0.0.1", port: 8080 }),
    {
      ready: () => tell("ready"),
      capacity: () => tell("capacity"),
      suspicion: () => tell("suspicion"),
      health: () => tell(`${connection.health?.state}: ${connection.health?.reason}`),
      goaway: () => tell("goaway"),
      closed: () => tell("closed"),
    },
  );
  return { clock, connection, inner: scripted.latest("pod-1"), told };
}

/** One whose peer's SETTINGS have arrived. */
export function readyChecked(check: HealthCheck, options?: CheckedOptions): Checked {
  const checked = dialChecked(check, options);
  checked.inner.becomeReady();
  return checked;
}

/** An envelope of gRPC. */
export function envelope(message: Uint8Array, flags = 0): Uint8Array {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

export function statusMessage(status: number): Uint8Array {
  const response = create(HealthCheckResponseSchema, { status: status as HealthCheckResponse_ServingStatus });
  return envelope(toBinary(HealthCheckResponseSchema, response));
}

export const grpcHeaders = [["content-type", "application/grpc+proto"]] as const;

/** Tells a status on a watch, after its headers where they are to come. */
export function say(stream: ScriptedStream, status: number): void {
  if (!answeredStreams.has(stream)) stream.sendHeaders(200, grpcHeaders);
  answeredStreams.add(stream);
  stream.sendData(statusMessage(status));
}

const answeredStreams = new WeakSet<ScriptedStream>();

/** Ends a watch with a status. */
export function end(stream: ScriptedStream, grpcStatus: number, message = ""): void {
  const fields = [["grpc-status", String(grpcStatus)] as const, ["grpc-message", message] as const];
  if (answeredStreams.has(stream)) stream.sendTrailers(fields);
  else stream.sendHeaders(200, [...grpcHeaders, ...fields]);
  stream.complete();
}

/** Moves the time, and lets the event loop turn so often that what waits for a poll of it is done. */
export async function passTime(clock: FakeClock, ms: number): Promise<void> {
  await clock.advance(ms);
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
}
