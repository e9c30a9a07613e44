import { createChannel } from "@evenkeel/core";
import { seededRandom } from "@evenkeel/testing";
import { Client } from "./client.ts";
import { Cluster } from "./cluster.ts";
import { SimulatedConnector } from "./connection.ts";
import { zipf } from "./key-cache.ts";
import type { Row } from "./row.ts";
import { defaultNetwork, type Scenario } from "./scenario.ts";
import { type Figures, Tally } from "./tally.ts";
import { VirtualClock } from "./virtual-clock.ts";

/**
 * Until queues, averages and reported weights are what they are going to be, in milliseconds; the first part is for the
 * dials.
 */
const warmUpMs = 20_000;
const dialsMs = 1_000;
/** RPCs that last longer than this and have no deadline count as failed. */
const patienceMs = 60_000;

/**
 * Simulates one row of a scenario: `seconds` of virtual time after the warm-up, and until its RPCs have ended.
 *
 * The channel is the real one, with all that it is made of; clock, connections and pods are simulated. The same seed
 * gives the same figures. The RPCs, their times and their work, are the same for every row.
 */
export function simulate(scenario: Scenario, row: Row, seconds: number, seed: number): Figures {
  const clock = new VirtualClock();
  const cluster = new Cluster(clock, scenario.pods, scenario.keys);
  const tally = new Tally(cluster);
  const clients = clientsOf(scenario, row, seed, { clock, cluster, tally });
  for (const { options } of clients) options.channel.connect();
  clock.runUntil(dialsMs);
  for (const client of clients) client.start();
  clock.runUntil(warmUpMs);
  tally.begin(warmUpMs);
  clock.runUntil(warmUpMs + seconds * 1_000);
  tally.end(warmUpMs + seconds * 1_000);
  for (const client of clients) client.stop();
  clock.runUntil(warmUpMs + seconds * 1_000 + (scenario.deadlineMs ?? patienceMs));
  for (const { options } of clients) options.channel.destroy();
  return tally.figures;
}

interface World {
  readonly clock: VirtualClock;
  readonly cluster: Cluster;
  readonly tally: Tally;
}

function clientsOf(scenario: Scenario, row: Row, seed: number, { clock, cluster, tally }: World): Client[] {
  const { deadlineMs, work, keys, subsetSize = 20, network = defaultNetwork } = scenario;
  const drawKey = keys === undefined ? undefined : zipf(keys);
  const zones = scenario.clients.flatMap(({ count, zone }) => Array.from({ length: count }, () => zone));
  return zones.map((zone, index) => {
    const who = { name: `client-${index}`, zone, index, count: zones.length, subsetSize };
    const clientSeed = 2 * (seed * zones.length + index);
    const channel = createChannel({
      target: "http://orders:8080",
      resolver: cluster.resolver,
      connector: new SimulatedConnector({
        clock,
        podOf: (key) => cluster.pod(key),
        delayMs: (endpoint) => (endpoint.zone === zone ? network.sameZoneMs : network.crossZoneMs),
      }),
      ...row.optionsFor(who),
      clock,
      random: seededRandom(clientSeed),
    });
    return new Client({
      ...{ clock, channel, zone, work, drawKey, deadlineMs, retries: row.retries, observer: tally },
      rps: scenario.rps / zones.length,
      random: seededRandom(clientSeed + 1),
    });
  });
}
