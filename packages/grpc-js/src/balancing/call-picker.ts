import { type Clock, messageOf, type Picker, type PickInfo } from "@evenkeel/core";
import { experimental, type Metadata, status } from "@grpc/grpc-js";
import { outcomeOf } from "./call-outcome.ts";
import type { Member } from "./member.ts";
import { refusal } from "./refusal.ts";

/** Whom the outcome of a call is told: the picker that is in use when it ends. */
export interface OutcomeSink {
  report: NonNullable<Picker<Member>["report"]>;
}

const queue: experimental.PickResult = {
  pickResultType: experimental.PickResultType.QUEUE,
  subchannel: null,
  status: null,
  onCallStarted: null,
  onCallEnded: null,
};

/** A picker of core's, as grpc-js asks it. */
export class CallPicker implements experimental.Picker {
  readonly #picker: Picker<Member>;
  readonly #sink: OutcomeSink;
  readonly #clock: Clock;

  constructor(picker: Picker<Member>, sink: OutcomeSink, clock: Clock) {
    this.#picker = picker;
    this.#sink = sink;
    this.#clock = clock;
  }

  pick(args: experimental.PickArgs): experimental.PickResult {
    try {
      const result = this.#picker.pick(new MetadataInfo(args.metadata));
      if (result.kind === "complete") return this.#begin(result.candidate, args);
      if (result.kind === "queue") return queue;
      return refusal(result.kind, status.UNAVAILABLE, result.error.message);
    } catch (error) {
      // grpc-js would throw it at whoever made the call, or out of a timer
      return refusal("drop", status.INTERNAL, `the policy failed: ${messageOf(error)}`);
    }
  }

  #begin(member: Member, args: experimental.PickArgs): experimental.PickResult {
    const picked = member.pick(args);
    if (picked.pickResultType !== experimental.PickResultType.COMPLETE) return picked;
    const { subchannel } = picked;
    const { calls } = member;
    let startedAt = 0;
    calls.picked();
    return {
      pickResultType: experimental.PickResultType.COMPLETE,
      subchannel,
      status: null,
      // when its credentials are there, which can take long
      onCallStarted: () => {
        startedAt = this.#clock.now();
        calls.started();
      },
      onCallEnded: (code, details) => {
        calls.ended();
        const durationMs = this.#clock.now() - startedAt;
        this.#sink.report(member, outcomeOf({ code, details, durationMs, isConnected: member.isReady }));
      },
    };
  }
}

/** What a policy may know of a call: its metadata, and not which method it is, which grpc-js keeps to itself. */
class MetadataInfo implements PickInfo {
  readonly path: string = "";
  readonly #metadata: Metadata;

  constructor(metadata: Metadata) {
    this.#metadata = metadata;
  }

  header(name: string): string | undefined {
    const values = this.#metadata.get(name);
    return values.length === 0 ? undefined : values.join(", ");
  }
}
