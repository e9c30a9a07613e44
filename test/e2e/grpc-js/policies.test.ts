import { describe, expect, it } from "vitest";
import { openShop, type Shop } from "./shop.ts";

const byLoad = ["least_request", "least_request_experimental", "shortest_expected_delay", "never_queue", "peak_ewma"];
const byHash = ["ring_hash", "ring_hash_experimental", "maglev"];
const blind = ["evenkeel_round_robin", "random"];

/** How many charges each pod answered, of so many in each of 10 loops; `keys`: of so many users. */
async function sharesOf({ charge }: Shop, rounds: number, keys = 1): Promise<Map<string, number>> {
  const shares = new Map<string, number>();
  const loop = async (caller: number): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      const pod = await charge({ "x-user": `user-${(caller * rounds + round) % keys}` });
      shares.set(pod, (shares.get(pod) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: 10 }, (_, caller) => loop(caller)));
  return shares;
}

/** Sends charges until a pod that is new has answered one. */
async function untilAnswered({ charge }: Shop, pod: string): Promise<void> {
  for (let user = 0; (await charge({ "x-user": `new-${user}` })) !== pod; user++);
}

it.each([...blind, ...byLoad])("%s, named in the service config, gives every pod its share", async (policy) => {
  const shop = await openShop(3, policy);
  const shares = await sharesOf(shop, 30);
  expect(shares.size).toBe(3);
  for (const share of shares.values()) expect(share).toBeGreaterThan(40);
  await shop.cluster.scale(4);
  await untilAnswered(shop, shop.cluster.pods.at(-1)?.name ?? "");
});

describe.each(byHash)("%s, named in the service config,", (policy) => {
  it("gives every pod its share of the users, and moves only those of a pod that leaves", async () => {
    const shop = await openShop(3, policy, { requestHashHeader: "x-user" });
    expect((await sharesOf(shop, 30, 60)).size).toBe(3);
    const podOf = (user: number): Promise<string> => shop.charge({ "x-user": `user-${user}` });
    const users = Array.from({ length: 60 }, (_, user) => user);
    const before = await Promise.all(users.map(podOf));
    const [leaving] = shop.cluster.pods;
    if (leaving === undefined) throw new Error("there is no pod");
    await shop.cluster.stop(leaving);
    const after = await Promise.all(users.map(podOf));
    const moved = users.filter((user) => before[user] !== after[user] && before[user] !== leaving.name);
    // maglev also moves a few that could stay
    expect(moved.length).toBeLessThanOrEqual(policy === "maglev" ? 6 : 0);
    expect(after).not.toContain(leaving.name);
  });
});
