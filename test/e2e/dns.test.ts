import { fileURLToPath } from "node:url";
import { dns, formatAddress, parseTarget, type ResolverUpdate, systemClock, systemRandom } from "@evenkeel/core";
import { startCluster } from "@evenkeel/testing";
import { expect, it, onTestFinished } from "vitest";

const module = fileURLToPath(new URL("../../packages/testing/fixtures/pod.mjs", import.meta.url));

function hostsOf(update: ResolverUpdate | undefined): readonly string[] {
  return update?.kind === "endpoints" ? update.endpoints.map(({ key }) => key).toSorted() : [];
}

it.each([
  ["A", {}],
  ["SRV", { srv: "_grpc._tcp" }],
])("dns finds the pods by %s records, and follows them", async (_name, options) => {
  await using cluster = await startCluster({ pod: { module }, size: 2 });
  const server = await cluster.startDns({ ttlSeconds: 0 });
  const updates: ResolverUpdate[] = [];
  const shared: ResolverUpdate[] = [];
  const factory = dns({ servers: [server.address], refreshMs: 50, ...options });
  const context = { clock: systemClock, random: systemRandom };
  const resolver = factory(parseTarget(cluster.url), (update) => updates.push(update), context);
  onTestFinished(() => resolver.close());
  const pods = () => cluster.pods.filter(({ phase }) => phase === "ready");
  const addresses = () => pods().map(({ address }) => formatAddress(address));

  await expect.poll(() => hostsOf(updates.at(-1))).toEqual(addresses().toSorted());
  const other = factory(parseTarget(cluster.url), (update) => shared.push(update), context);
  expect(shared).toEqual([updates.at(-1)]); // from the look-up that there is already
  other.close();
  await cluster.scale(3);
  await expect.poll(() => hostsOf(updates.at(-1))).toEqual(addresses().toSorted());
  expect(hostsOf(updates.at(-1))).toHaveLength(3);

  server.failWith = "SERVFAIL";
  await expect
    .poll(() => updates.at(-1), { timeout: 5_000 })
    .toMatchObject({
      kind: "error",
      error: { message: expect.stringMatching(/DNS look-up of .* failed: .*ESERVFAIL/) },
    });
});
