import { type Outcome, StatusCode } from "@evenkeel/core";
import { median } from "../statistics.ts";
import { FakeRpc } from "./candidate.ts";
import { rpcsPerEndpoint } from "./cases.ts";
import type { PickTimes } from "./messages.ts";
import { Stopwatch, timed } from "./stopwatch.ts";

/** What is measured: picks begin RPCs, and reports end them. */
export interface Subject<T> {
  /** Finds where an RPC goes. */
  pick(rpc: FakeRpc): T;
  /** Lets an RPC begin there. Not measured, nor is its end. */
  begin(place: T): void;
  end(place: T): void;
  report?: ((place: T, rpc: FakeRpc, outcome: Outcome) => void) | undefined;
}

/** RPCs that end before others begin: a tenth of the endpoints, in these bounds. */
const leastBatch = 16;
const largestBatch = 1_000;
const picksPerRound = 32_000;
const warmUpRounds = 5;

/** So many different keys and outcomes that none is learnt by heart. */
const variety = 4_096;
const rpcs = Array.from({ length: variety }, (_, number) => new FakeRpc(number));
const outcomes = Array.from({ length: variety }, (_, number): Outcome => {
  const ms = 2 + ((number * 7_919) % 1_000) / 100;
  return { code: StatusCode.ok, fate: "answered", firstByteMs: ms, durationMs: ms + 0.2 };
});

/** RPCs come and go, in batches, and end in no order. Their number in flight stays the same. */
export function measure<T>(subject: Subject<T>, endpoints: number, rounds: number): PickTimes {
  const { report } = subject;
  const batch = Math.min(Math.max(Math.ceil(endpoints / 10), leastBatch), largestBatch);
  const under: T[] = [];
  const drawn: T[] = [];
  const picks = new Stopwatch();
  const reports = new Stopwatch();
  let number = 0;

  const beginAll = (): void => {
    for (let each = 0; each < batch; each++) {
      const place = subject.pick(rpcs[number++ % variety] as FakeRpc);
      subject.begin(place);
      under.push(place);
    }
  };
  const runBatch = (): void => {
    for (let each = 0; each < batch; each++) {
      const index = Math.floor(Math.random() * under.length);
      drawn[each] = under[index] as T;
      under[index] = under.at(-1) as T;
      under.pop();
      subject.end(drawn[each] as T);
    }
    const reporting = timed(() => {
      for (let each = 0; each < batch; each++) {
        const rpc = (number + each) % variety;
        report?.(drawn[each] as T, rpcs[rpc] as FakeRpc, outcomes[rpc] as Outcome);
      }
    });
    reports.add(reporting, batch);

    // what it takes to begin RPCs anywhere is not the policy's
    for (let each = 0; each < batch; each++) drawn[each] = under[Math.floor(Math.random() * under.length)] as T;
    const beginning = timed(() => {
      for (let each = 0; each < batch; each++) subject.begin(drawn[each] as T);
    });
    for (let each = 0; each < batch; each++) subject.end(drawn[each] as T);
    picks.add(timed(beginAll) - beginning, batch);
  };

  while (under.length < Math.max(endpoints * rpcsPerEndpoint, 2 * batch)) beginAll();
  const pickTimes: number[] = [];
  const reportTimes: number[] = [];
  for (let round = -warmUpRounds; round < rounds; round++) {
    for (let picked = 0; picked < picksPerRound; picked += batch) runBatch();
    const pick = picks.take();
    const reported = reports.take();
    if (round < 0) continue;
    pickTimes.push(pick);
    reportTimes.push(reported);
  }
  return {
    kind: "picks",
    nsPerPick: median(pickTimes),
    nsPerReport: report === undefined ? null : median(reportTimes),
  };
}
