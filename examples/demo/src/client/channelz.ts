import type { ConnectivityState } from "@evenkeel/core";
import { type Client, getChannelzHandlers, type handleUnaryCall, type ServerUnaryCall } from "@grpc/grpc-js";

const { GetChannel, GetSubchannel } = getChannelzHandlers();

const states: Readonly<Record<string, ConnectivityState>> = {
  IDLE: "idle",
  CONNECTING: "connecting",
  READY: "ready",
  TRANSIENT_FAILURE: "transientFailure",
  SHUTDOWN: "shutdown",
};

/** The state of each of a client's subchannels, by address: what grpc-js tells of itself as channelz (gRFC A14). */
export function subchannelStates(client: Client): ReadonlyMap<string, ConnectivityState> {
  const { id } = client.getChannel().getChannelzRef();
  const channel = ask(GetChannel, { channel_id: String(id) })?.channel;
  const found = (channel?.subchannel_ref ?? []).flatMap(({ subchannel_id, name }): [string, ConnectivityState][] => {
    const subchannel = ask(GetSubchannel, { subchannel_id: String(subchannel_id) })?.subchannel;
    const state = states[String(subchannel?.data?.state?.state)];
    return name === undefined || state === undefined ? [] : [[name, state]];
  });
  return new Map(found);
}

/** What a handler answers; these do so at once, and read nothing of a call but its request. */
function ask<Request, Response>(handler: handleUnaryCall<Request, Response>, request: Request): Response | undefined {
  let answer: Response | null | undefined;
  handler({ request } as ServerUnaryCall<Request, Response>, (_, response) => {
    answer = response;
  });
  return answer ?? undefined;
}
