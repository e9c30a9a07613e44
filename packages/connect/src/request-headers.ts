import type { HeaderList } from "@evenkeel/core";
import { noHeaders } from "./headers.ts";

export const userAgent = "evenkeel-connect/0.1.0";

/** The headers of one call, but for its timeout, which differs between attempts. */
export interface RequestHeaders {
  /** Always the same object for the same headers: connections encode it once. */
  readonly shared: HeaderList;
  readonly own: HeaderList;
  /** Whether the protocol's timeout header is sent. */
  readonly hasTimeout: boolean;
}

export interface ProtocolHeadersInit {
  /** What the protocol sets, whatever the caller says. */
  readonly headers: HeaderList;
  /** Headers that carry the user agent: the caller's, if one of them is given. */
  readonly agentHeaders?: readonly string[];
  /** Headers that are not sent, whoever sets them. */
  readonly unsent?: readonly string[];
}

/** The headers that a protocol sets on all its requests of one kind, and how those of a caller join them. */
export class ProtocolHeaders {
  readonly #withoutAgent: HeaderList;
  readonly #all: HeaderList;
  readonly #plain: RequestHeaders;
  readonly #plainWithTimeout: RequestHeaders;
  readonly #names: ReadonlySet<string>;
  readonly #agentHeaders: readonly string[];
  readonly #unsent: readonly string[];

  constructor({ headers, agentHeaders = ["user-agent"], unsent = [] }: ProtocolHeadersInit) {
    this.#withoutAgent = Object.freeze([...headers]);
    this.#all = Object.freeze([...headers, ...agentHeaders.map((name) => [name, userAgent] as const)]);
    this.#plain = { shared: this.#all, own: noHeaders, hasTimeout: false };
    this.#plainWithTimeout = { ...this.#plain, hasTimeout: true };
    this.#names = new Set([...headers.map(([name]) => name), ...unsent]);
    this.#agentHeaders = agentHeaders;
    this.#unsent = unsent;
  }

  /**
   * For a call without interceptors. `timeoutHeader` is the one that the protocol sets, `undefined` where the call has
   * no timeout.
   */
  of(given: HeaderList, timeoutHeader: string | undefined): RequestHeaders {
    const hasTimeout = timeoutHeader !== undefined;
    if (given.length === 0) return hasTimeout ? this.#plainWithTimeout : this.#plain;
    const own: (readonly [string, string])[] = [];
    let hasAgent = false;
    for (const header of given) {
      const [name] = header;
      if (this.#agentHeaders.includes(name)) hasAgent = true;
      else if (!this.#names.has(name) && name !== timeoutHeader) own.push(header);
    }
    if (!hasAgent) return { shared: this.#all, own, hasTimeout };
    const agent = this.#agentHeaders.map((name) => given.find((header) => header[0] === name)?.[1]);
    const value = agent.find((each) => each !== undefined) ?? userAgent;
    for (const name of this.#agentHeaders) own.push([name, value]);
    return { shared: this.#withoutAgent, own, hasTimeout };
  }

  /** What interceptors see, and may change. */
  visible(init: HeadersInit | undefined, timeout: readonly [name: string, value: string] | undefined): Headers {
    const headers = new Headers(init ?? undefined);
    for (const [name, value] of this.#withoutAgent) headers.set(name, value);
    let agent: string | undefined;
    for (const name of this.#agentHeaders) agent ??= headers.get(name) ?? undefined;
    for (const name of this.#agentHeaders) headers.set(name, agent ?? userAgent);
    if (timeout !== undefined) headers.set(timeout[0], timeout[1]);
    return headers;
  }

  /** What is sent of headers that interceptors have seen, `timeout` being what they saw of it. */
  from(headers: Headers, timeout: readonly [name: string, value: string] | undefined): RequestHeaders {
    const own: (readonly [string, string])[] = [];
    let hasTimeout = false;
    let unchanged = 0;
    for (const header of headers) {
      const [name, value] = header;
      if (this.#unsent.includes(name)) continue;
      if (timeout !== undefined && name === timeout[0] && value === timeout[1]) hasTimeout = true;
      else if (this.#isShared(name, value)) unchanged++;
      else own.push(header);
    }
    if (unchanged === this.#all.length) return { shared: this.#all, own, hasTimeout };
    const rest = [...headers].filter(
      ([name]) => !this.#unsent.includes(name) && !(hasTimeout && name === timeout?.[0]),
    );
    return { shared: noHeaders, own: rest, hasTimeout };
  }

  #isShared(name: string, value: string): boolean {
    for (const header of this.#all) if (header[0] === name) return header[1] === value;
    return false;
  }
}
