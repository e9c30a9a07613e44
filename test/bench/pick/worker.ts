import { type Policy, systemClock, systemRandom } from "@evenkeel/core";
import { jobOfProgram, runProgram, tell } from "../program.ts";
import { FakeMember, fakeEndpoint } from "./candidate.ts";
import { channelRow, pickPolicies } from "./cases.ts";
import { channelSubject } from "./channel.ts";
import { measure, type Subject } from "./measure.ts";
import type { PickJob, PickOrder } from "./messages.ts";

// Measures the picks of one policy: a process seldom has more than one, and V8 compiles each for itself.
await runProgram(async () => {
  const { name } = jobOfProgram<PickJob>();
  process.on("message", async ({ endpoints, rounds }: PickOrder) => {
    if (name === channelRow) {
      const { channel, subject } = await channelSubject(endpoints);
      tell(measure(subject, endpoints, rounds));
      channel.destroy();
      return;
    }
    const policy = pickPolicies.find((each) => each.name === name);
    if (policy === undefined) throw new Error(`no policy ${name}`);
    tell(measure(policySubject(policy.create(), policy.weighted, endpoints), endpoints, rounds));
  });
  tell({ kind: "ready" });
});

function policySubject(policy: Policy, weighted: boolean, count: number): Subject<FakeMember> {
  const members = Array.from(
    { length: count },
    (_, index) => new FakeMember(fakeEndpoint(index, weighted ? 1 + (index % 4) : 1)),
  );
  const [first, ...rest] = members;
  if (first === undefined) throw new Error("there are no endpoints");
  const picker = policy(undefined, [first, ...rest], {
    clock: systemClock,
    random: systemRandom,
    endpoints: members.map(({ endpoint }) => endpoint),
    weightOf: ({ endpoint }) => endpoint.weight,
  });
  return {
    pick(rpc) {
      const result = picker.pick(rpc);
      if (result.kind !== "complete") throw new Error(`the policy says ${result.kind}`);
      return result.candidate;
    },
    begin: (member) => member.add(1),
    end: (member) => member.add(-1),
    report: picker.report === undefined ? undefined : (member, _rpc, outcome) => picker.report?.(member, outcome),
  };
}
