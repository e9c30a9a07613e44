import { leastRequest } from "../policy/least-request.ts";
import type { Policy, PolicyContext } from "../policy/policy.ts";
import type { Subchannel } from "../pool/subchannel.ts";
import type { Picker, PickInfo, PickResult } from "./picker.ts";

type Ready = readonly [Subchannel, ...Subchannel[]];

/** Keeps the picker of a policy, and finds another subchannel where its choice is full or to be avoided. */
export class Balancer {
  readonly #policy: Policy;
  /** Chooses where RPCs go when the policy's choice is full. */
  readonly #overflow: Policy = leastRequest();
  #ready: readonly Subchannel[] = [];
  #context: PolicyContext | undefined;
  /** The last one that the policy made: what it counted carries over. */
  #picker: Picker<Subchannel> | undefined;

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  /** What it picks from. */
  get ready(): readonly Subchannel[] {
    return this.#ready;
  }

  /** Makes a picker for these, unless they and the context are what they were. */
  update(ready: Ready, context: PolicyContext): void {
    const before = this.#ready;
    const isSame = ready.length === before.length && ready.every((each, index) => each === before[index]);
    if (isSame && context === this.#context) return;
    this.#ready = ready;
    this.#context = context;
    this.#picker = this.#policy(this.#picker, ready, context);
  }

  /** Nothing is ready. */
  clear(): void {
    this.#ready = [];
  }

  /** The policy's choice; where that is full, or is to be avoided, the least busy of the others. At least one is ready. */
  pick(info: PickInfo): PickResult<Subchannel> {
    const picker = this.#picker as Picker<Subchannel>;
    let asked = info;
    for (let tries = 0; tries < maxTries; tries++) {
      const result = picker.pick(asked);
      if (result.kind !== "complete") return result;
      const { candidate } = result;
      if (candidate.roomy === undefined) candidate.grow();
      else if (!isAvoided(candidate, info)) return result;
      asked = new Avoiding(asked, candidate.endpoint.key);
    }
    return this.#pickOther(picker, info);
  }

  #pickOther(picker: Picker<Subchannel>, info: PickInfo): PickResult<Subchannel> {
    const withRoom = this.#ready.filter(({ roomy }) => roomy !== undefined);
    const chosen = new Set(picker.candidates ?? this.#ready);
    // those that the policy leaves out, and then those that were tried, only where there are no others
    const groups = [
      withRoom.filter((subchannel) => chosen.has(subchannel) && !isAvoided(subchannel, info)),
      withRoom.filter((subchannel) => !isAvoided(subchannel, info)),
      withRoom.filter((subchannel) => chosen.has(subchannel)),
      withRoom,
    ];
    const [first, ...rest] = groups.find(({ length }) => length > 0) ?? [];
    if (first === undefined) return queue;
    return this.#overflow(picker, [first, ...rest], this.#context as PolicyContext).pick(info);
  }

  /** Takes what became of an attempt. */
  report(...[subchannel, outcome]: Parameters<NonNullable<Picker<Subchannel>["report"]>>): void {
    this.#picker?.report?.(subchannel, outcome);
  }

  /** Whether any is ready and has room; where all are full, one of them gets a further connection if it may. */
  makeRoom(): boolean {
    if (this.#ready.some(({ roomy }) => roomy !== undefined)) return true;
    if (this.#ready.every(({ isGrowing }) => !isGrowing)) this.#ready.find((subchannel) => subchannel.grow());
    return false;
  }
}

/** An RPC that is to go elsewhere: policies that heed keys go on to the next endpoint of its key. */
class Avoiding implements PickInfo {
  readonly path: string;
  readonly avoid: ReadonlySet<string>;
  readonly #info: PickInfo;

  constructor(info: PickInfo, key: string) {
    this.path = info.path;
    this.avoid = new Set([...(info.avoid ?? []), key]);
    this.#info = info;
  }

  get contextValues(): PickInfo["contextValues"] {
    return this.#info.contextValues;
  }

  get message(): unknown {
    return this.#info.message;
  }

  header(name: string): string | undefined {
    return this.#info.header?.(name);
  }
}

/** How often the policy is asked for an RPC; its next choice may be another one. */
const maxTries = 3;

const queue = { kind: "queue" } as const;

function isAvoided({ endpoint }: Subchannel, { avoid }: PickInfo): boolean {
  return avoid?.has(endpoint.key) === true;
}
