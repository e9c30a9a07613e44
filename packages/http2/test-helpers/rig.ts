import type { Socket } from "node:net";
import { duplexPair } from "node:stream";
import { type FakeClock, seededRandom } from "@evenkeel/testing";
import { expect, onTestFinished } from "vitest";
import { playRawPeer, type RawConnection, type RawPeerScript, startRawPeer } from "./raw-peer.ts";
import { startTestClient, type TestClient, type TestClientOptions } from "./test-client.ts";

export interface Rig extends TestClient {
  readonly peer: RawConnection;
}

export interface RigOptions extends TestClientOptions {
  /** Default `tcp`; `memory` is a pair of streams that are no sockets. */
  readonly over?: "tcp" | "tls" | "memory";
  readonly tls?: { readonly key: string; readonly cert: string };
}

/** A ready connection and its scripted peer; they end with the test. */
export async function startRig(script: RawPeerScript = {}, options: RigOptions = {}): Promise<Rig> {
  const rig = options.over === "memory" ? startInMemory(script, options) : await startOverTcp(script, options);
  onTestFinished(async () => {
    rig.connection.destroy(new Error("the test is over"));
    await rig.closed;
  });
  await Promise.race([rig.ready, rig.closed]);
  return rig;
}

function startInMemory(script: RawPeerScript, options: TestClientOptions): Rig {
  const [socket, otherSide] = duplexPair();
  const peer = playRawPeer(otherSide as Socket, script);
  onTestFinished(() => void otherSide.destroy());
  return { ...startTestClient({ ...options, socket }), peer };
}

async function startOverTcp(script: RawPeerScript, options: RigOptions): Promise<Rig> {
  const { over = "tcp", tls } = options;
  const server = await startRawPeer(script, over === "tls" ? tls : undefined);
  onTestFinished(() => server[Symbol.asyncDispose]());
  const client = startTestClient({ ...options, port: server.port, scheme: over === "tls" ? "https" : "http" });
  await Promise.race([client.ready, client.closed]);
  return { ...client, peer: server.connections[0] as RawConnection };
}

/** Bytes that are the same in every run, without a pattern. */
export function someBytes(length: number, seed = 1): Buffer {
  const random = seededRandom(seed);
  const bytes = Buffer.alloc(length);
  for (let index = 0; index < length; index++) bytes[index] = random() * 256;
  return bytes;
}

/** Moves the time, and lets the event loop turn so often that what waits for a poll of it is done. */
export async function passTime(clock: FakeClock, ms: number): Promise<void> {
  await clock.advance(ms);
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** `expect.poll` that does not sleep for longer than it takes. */
export function until<T>(look: () => T) {
  return expect.poll(look, { interval: 1, timeout: 5_000 });
}
