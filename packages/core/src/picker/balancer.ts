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
    const result = (this.#picker as Picker<Subchannel>).pick(info);
    if (result.kind !== "complete") return result;
    const isFull = result.candidate.roomy === undefined;
    if (!isFull && !isAvoided(result.candidate, info)) return result;
    if (isFull) result.candidate.grow();
    const withRoom = this.#ready.filter(({ roomy }) => roomy !== undefined);
    const others = withRoom.filter((subchannel) => !isAvoided(subchannel, info));
    const [first, ...rest] = others.length > 0 || !isFull ? others : withRoom;
    if (first === undefined) return isFull ? queue : result;
    return this.#overflow(undefined, [first, ...rest], this.#context as PolicyContext).pick(info);
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

const queue = { kind: "queue" } as const;

function isAvoided({ endpoint }: Subchannel, { avoid }: PickInfo): boolean {
  return avoid?.has(endpoint.key) === true;
}
