import { Agent } from "node:http";
import { connect, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { dialPort, open, post, type Request, startHttp } from "../../test-helpers/http1.ts";

// what health checks rely on: a request in the background is none, but for the socket that it takes

const ask = { method: "GET", path: "/readyz", endStream: true, background: true } as const;

/** A server that answers `/readyz` when it is told to, and everything else at once. */
async function startHeld() {
  const held: (() => void)[] = [];
  const peer = await startHttp((request, response) => {
    const answer = (): void => void response.end("hello");
    if (request.url === "/readyz") held.push(answer);
    else request.on("end", answer).resume();
  });
  const heldNow = (count: number) => expect.poll(() => held.length, { interval: 1 }).toBe(count);
  return { ...peer, held, heldNow };
}

it("takes a socket, and is in no count", async () => {
  const { port, held, heldNow } = await startHeld();
  const agent = new Agent({ keepAlive: true, maxSockets: 2 });
  onTestFinished(() => agent.destroy());
  const { connection, ready, told } = dialPort(port, { nodeOptions: { agent } });
  await ready;
  const asked = open(connection, ask);
  expect([connection.inFlight, connection.maxStreams]).toEqual([0, 1]);
  await post(connection).ended;
  await heldNow(1);
  const rpc = open(connection);
  held[0]?.();
  expect(await asked.ended).toEqual({ kind: "complete" });
  expect([connection.inFlight, connection.maxStreams, connection.answered]).toEqual([1, 2, 1]);
  expect(told).toEqual(["ready", "capacity", "capacity"]);
  rpc.stream.end();
  await rpc.ended;
});

it("does not hold back the end of a connection that drains", async () => {
  const { port, heldNow } = await startHeld();
  const { connection, ready, closed, told } = dialPort(port);
  await ready;
  const asked = open(connection, ask);
  await heldNow(1);
  connection.drain();
  expect(await closed).toMatchObject({ orderly: true, streamsLost: 0 });
  expect(await asked.ended).toMatchObject({ kind: "broken", fate: "ambiguous" });
  expect(told).toEqual(["ready", "closed"]);
});

it("is not counted among the streams that a connection lost", async () => {
  const { port, heldNow } = await startHeld();
  const { connection, ready, closed } = dialPort(port);
  await ready;
  open(connection, ask);
  await heldNow(1);
  connection.destroy(new Error("enough"));
  expect(await closed).toMatchObject({ orderly: false, streamsLost: 0 });
});

it.each(["own", "given"])("does not keep the process alive, and the requests after it do: %s agent", async (kind) => {
  const { port, held, heldNow } = await startHeld();
  const referenced = new Map<Socket, boolean>();
  const createConnection = (): Socket => {
    const socket = connect(port, "127.0.0.1");
    const { ref, unref } = socket;
    referenced.set(socket, true);
    socket.ref = () => ref.call(socket) && referenced.set(socket, true) && socket;
    socket.unref = () => unref.call(socket) && referenced.set(socket, false) && socket;
    return socket;
  };
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  agent.createConnection = createConnection;
  const { connection, ready } = dialPort(port, { nodeOptions: kind === "own" ? { createConnection } : { agent } });
  await ready;
  const inUse = (): boolean[] => [...referenced].filter(([socket]) => !socket.destroyed).map(([, yes]) => yes);
  const whileAsked = async (then: () => Request | undefined): Promise<Request | undefined> => {
    const asked = open(connection, ask);
    await heldNow(1);
    const next = then();
    expect(inUse().filter(Boolean)).toEqual([]);
    held.pop()?.();
    await asked.ended;
    return next;
  };
  await whileAsked(() => undefined);
  await turn();
  expect(inUse()).toEqual([false]);
  const rpc = open(connection);
  await turn();
  expect(inUse()).toEqual([true]);
  rpc.stream.end();
  await rpc.ended;
  if (kind === "own") return; // the agent may be used beside us, so that a request waits for the very socket
  const waiting = await whileAsked(() => open(connection));
  await turn();
  expect(inUse()).toEqual([true]);
  waiting?.stream.end();
  await waiting?.ended;
});
