import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connectionPreface, encodeFrame, Flag, FrameType } from "../../../packages/http2/src/frames/frame.ts";
import { fail, jobOfProgram, runProgram, tell } from "../program.ts";
import type { OpenerJob } from "./messages.ts";

/** Fewer than a server's backlog. */
const atOnce = 100;

const noBytes = Buffer.alloc(0);
const hello = Buffer.concat([connectionPreface, encodeFrame(FrameType.settings, 0, 0, noBytes)]);
const settingsAck = encodeFrame(FrameType.settings, Flag.ack, 0, noBytes);

// Opens connections of HTTP/2 up to their SETTINGS, and does nothing more.
await runProgram(async () => {
  const { port, connections } = jobOfProgram<OpenerJob>();
  const open: Socket[] = [];
  while (open.length < connections) {
    const count = Math.min(atOnce, connections - open.length);
    open.push(...(await Promise.all(Array.from({ length: count }, () => openOne(port)))));
  }
  tell({ kind: "ready" });
});

async function openOne(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  socket.on("error", fail);
  socket.on("close", () => fail(new Error("the server closed a connection")));
  socket.write(hello);
  await once(socket, "data"); // its SETTINGS
  socket.write(settingsAck);
  socket.resume();
  return socket;
}
