import { FakeClock, ScriptedConnector, seededRandom } from "@evenkeel/testing";
import { Channel } from "../src/channel.ts";
import type { ChannelOptions } from "../src/channel-options.ts";
import type { Endpoint } from "../src/endpoint/endpoint.ts";
import type { ResolverUpdate } from "../src/resolver/resolver.ts";
import { ManualResolver } from "./manual-resolver.ts";

export interface ChannelHarness {
  readonly clock: FakeClock;
  readonly connector: ScriptedConnector;
  readonly resolver: ManualResolver;
  readonly channel: Channel;
}

export interface ChannelHarnessOptions extends Partial<ChannelOptions> {
  /** What the resolver says before its factory returns. */
  readonly first?: ResolverUpdate;
}

/** A channel to `http://orders:8080` whose clock, resolver and connections the test drives. */
export function channelHarness(options: ChannelHarnessOptions = {}): ChannelHarness {
  const { first, ...channelOptions } = options;
  const clock = new FakeClock();
  const connector = new ScriptedConnector();
  const resolver = new ManualResolver(first);
  const channel = new Channel({
    target: "http://orders:8080",
    connector,
    resolver: resolver.factory,
    clock,
    random: seededRandom(1),
    ...channelOptions,
  });
  return { clock, connector, resolver, channel };
}

/** A channel that is connected to `endpoints`, all of them ready. */
export function readyChannel(endpoints: readonly Endpoint[], options: ChannelHarnessOptions = {}): ChannelHarness {
  const harness = channelHarness(options);
  harness.channel.connect();
  harness.resolver.endpoints(endpoints);
  for (const connection of harness.connector.open) connection.becomeReady();
  return harness;
}
