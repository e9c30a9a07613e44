import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { answerGrpc, envelope, grpcHead, grpcOk, podMessage, scriptedCalls } from "../test-helpers/scripted-calls.ts";
import { userAgent } from "./request-headers.ts";

// what the README says of differences from connect-node, where no other test shows it

it("the user agent names this version", async () => {
  const { name, version } = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));
  expect(userAgent).toBe(`${name.replace("@", "").replace("/", "-")}/${version}`);
});

it("the user agent of a caller goes before ours, in both headers of gRPC-Web", async () => {
  const { client, clock, streams } = scriptedCalls({ protocol: "grpc-web" });
  const calls = [undefined, { "user-agent": "mine" }, { "x-user-agent": "mine" }].map((headers) =>
    client.charge({}, headers === undefined ? {} : { headers }).catch(() => undefined),
  );
  await clock.advance(0);
  const agents = streams.map(({ head }) =>
    [...head.headers, ...(head.furtherHeaders ?? [])]
      .filter(([name]) => name.includes("agent"))
      .map(([, value]) => value),
  );
  expect(agents).toEqual([
    [userAgent, userAgent],
    ["mine", "mine"],
    ["mine", "mine"],
  ]);
  for (const stream of streams) stream.break({ fate: "ambiguous", error: new Error("over") });
  await Promise.all(calls);
});

it("timeouts are whole on the wire", async () => {
  const { client, clock, streams } = scriptedCalls({ onStream: answerGrpc });
  await client.charge({}, { timeoutMs: 1_000.5 });
  await client.charge({}, { timeoutMs: 86_400_000 * 30 });
  expect(streams.map(({ head }) => head.furtherHeaders)).toEqual([
    [["grpc-timeout", "1001m"]],
    [["grpc-timeout", "2592000S"]],
  ]);
  expect(clock.pending).toBe(1); // the channel's idleness
});

it("a message that is not percent-encoded is taken as it is", async () => {
  const { client } = scriptedCalls({
    onStream(stream) {
      const trailers = [
        ["grpc-status", "9"],
        ["grpc-message", "100% sure"],
      ] as const;
      stream.respond({ ...grpcHead, trailers });
      stream.complete();
    },
  });
  await expect(client.charge({})).rejects.toMatchObject({ rawMessage: "100% sure" });
});

it("response headers that Headers refuses are left out", async () => {
  const { client } = scriptedCalls({
    onStream(stream) {
      const headers = [...grpcHead.headers, ["x a", "1"], ["x-b", "\0"], ["x-c", "2"]] as const;
      stream.respond({ headers, body: [envelope(podMessage)], trailers: grpcOk });
      stream.complete();
    },
  });
  const seen: Headers[] = [];
  await client.charge({}, { onHeader: (header) => seen.push(header) });
  expect(seen.flatMap((header) => [...header.keys()])).toEqual(["content-type", "x-c"]);
});
