import { startCluster } from "@evenkeel/testing";
import { Load, type OrderClient } from "./load.ts";

export type { OrderClient };

export interface RolloutOptions {
  /** The program of a pod, which listens on POD_IP and PORT. */
  readonly pod: URL;
  /** What makes a client of the Service `orders` and its port `grpc`, by name. Each gets load of its own. */
  readonly clients: Readonly<Record<string, () => OrderClient | Promise<OrderClient>>>;
}

/** From how many RPCs of a client shares are reckoned. */
const sample = 400;

/**
 * Three pods, a fourth one, and new pods for all of them, under load all the while. Writes down what each pod got.
 * Rejects with an `Error` when a pod gets less than half of an equal share, and when more than 10 of 20 000 RPCs fail.
 */
export async function playRollout({ pod, clients }: RolloutOptions): Promise<void> {
  await using cluster = await startCluster({
    pod: { module: pod, env: { READINESS_DELAY_MS: "500" } },
    size: 3,
    name: "orders",
  });
  const { kubeconfigPath } = await cluster.startApiServer({ portName: "grpc" });
  process.env["KUBECONFIG"] = kubeconfigPath; // where a process that is in no pod looks for the API server
  const loads = new Map<string, Load>();
  const show = async (title: string): Promise<void> => {
    const pods = cluster.pods.map(({ name }) => name);
    const counted = [...loads].map(async ([name, load]) => ({ name, counts: await load.count(pods, sample) }));
    for (const { name, counts } of await Promise.all(counted)) {
      console.log(`${name}, ${title}: ${[...counts].map(([each, count]) => `${each} ${count}`).join(", ")}`);
      if (Math.min(...counts.values()) < sample / pods.length / 2) throw new Error("a pod does not get its share");
    }
  };
  try {
    for (const [name, connect] of Object.entries(clients)) loads.set(name, new Load(await connect()));
    await show("3 pods");
    await cluster.scale(4);
    await show("4 pods");
    await cluster.rollingRestart();
    await show("4 new pods");
  } finally {
    await Promise.all([...loads.values()].map((load) => load.stop()));
  }
  const total = [...loads.values()].reduce((sum, load) => sum + load.total, 0);
  const failures = [...loads.values()].flatMap((load) => load.failures);
  console.log(`${total} RPCs, ${failures.length} failed`);
  for (const failure of new Set(failures)) console.log(failure);
  checkLoss(total, failures.length);
}

/**
 * grpc-js sends an RPC once more that a leaving pod refused, and loses what is refused twice. Throws an `Error` when
 * more than 10 of 20 000 are lost; a single one always may be.
 */
export function checkLoss(total: number, failed: number): void {
  if (failed > Math.max(1, (total * 10) / 20_000)) throw new Error("too many RPCs failed");
}
