import type { DescMethod, DescMethodStreaming, DescMethodUnary } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { ProtocolOptions } from "./options.ts";
import type { Resending, ResendingRules } from "./resending.ts";
import { createSerialization, type Serialization } from "./serialization.ts";

/** What is known of a method before it is called, on one transport. */
export interface MethodPlan<M extends DescMethod = DescMethodUnary | DescMethodStreaming> {
  readonly method: M;
  /** As interceptors see it. */
  readonly url: string;
  /** `:path`: that of the URL. */
  readonly path: string;
  /** `/package.Service/Method`, as picks and reports name it. */
  readonly name: string;
  readonly resending: Resending;
  /** Whether it is sent as GET. */
  readonly isGet: boolean;
  readonly serialization: Serialization;
}

/** The plans of a transport, each made when it is first asked for. */
export class MethodPlans {
  readonly #options: ProtocolOptions;
  readonly #rules: ResendingRules;
  readonly #plans = new WeakMap<DescMethod, MethodPlan<DescMethod>>();

  constructor(options: ProtocolOptions, rules: ResendingRules) {
    this.#options = options;
    this.#rules = rules;
  }

  of<M extends DescMethod>(method: M): MethodPlan<M> {
    let plan = this.#plans.get(method);
    if (plan === undefined) {
      plan = this.#create(method);
      this.#plans.set(method, plan);
    }
    // a plan is found by the method that it was made of
    return plan as MethodPlan<M>;
  }

  #create(method: DescMethod): MethodPlan<DescMethod> {
    const { baseUrl, useHttpGet } = this.#options;
    const { NO_SIDE_EFFECTS } = MethodOptions_IdempotencyLevel;
    const { idempotency, input, output } = method;
    const name = `/${method.parent.typeName}/${method.name}`;
    const url = `${baseUrl.replace(/\/$/, "")}${name}`;
    return {
      method,
      url,
      path: pathOf(url),
      name,
      resending: this.#rules.of(method),
      isGet: useHttpGet && method.methodKind === "unary" && idempotency === NO_SIDE_EFFECTS,
      serialization: createSerialization(input, output, this.#options),
    };
  }
}

/** `:path` of a URL that an interceptor made. Throws the `TypeError` of `URL` for what is none. */
export function pathOfGiven(url: string): string {
  const { pathname, search } = new URL(url);
  return pathname + search;
}

function pathOf(url: string): string {
  return url.slice(url.indexOf("/", url.indexOf("://") + 3));
}
