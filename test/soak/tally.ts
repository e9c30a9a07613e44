import { subscribe } from "@evenkeel/core";
import { type Verdict, verdicts } from "./judge.ts";
import { type Kind, kinds } from "./plan.ts";

export type Row = Record<Verdict["kind"] | "overdue", number>;

/** What evenkeel told of its attempts and connections. */
export interface Wire {
  /** Attempts by the fate of their stream. */
  readonly attempts: { unsent: number; unprocessed: number; ambiguous: number; answered: number };
  goaways: number;
  connectionsReady: number;
  connectionsLost: number;
}

/** Counts calls by kind and verdict, and attempts by fate. */
export class Tally {
  readonly calls: Readonly<Record<Kind, Row>>;
  readonly wire: Wire = {
    attempts: { unsent: 0, unprocessed: 0, ambiguous: 0, answered: 0 },
    goaways: 0,
    connectionsReady: 0,
    connectionsLost: 0,
  };
  /** The longest time from an abort or a deadline to the end of its call, in milliseconds, and that call. */
  latest: { readonly ms: number; readonly call: string } = { ms: 0, call: "none" };

  constructor() {
    const row = (): Row => Object.fromEntries([...verdicts, "overdue"].map((verdict) => [verdict, 0])) as Row;
    this.calls = Object.fromEntries(kinds.map((kind) => [kind, row()])) as Record<Kind, Row>;
  }

  total(verdict: keyof Row): number {
    return kinds.reduce((sum, kind) => sum + this.calls[kind][verdict], 0);
  }

  /** Listens to evenkeel; returns what ends that. */
  listen(): () => void {
    const { wire } = this;
    const ends = [
      subscribe("attempt.end", ({ outcome }) => {
        wire.attempts[outcome.fate]++;
      }),
      subscribe("connection.goaway", () => {
        wire.goaways++;
      }),
      subscribe("connection.ready", () => {
        wire.connectionsReady++;
      }),
      subscribe("connection.closed", ({ orderly }) => {
        if (!orderly) wire.connectionsLost++;
      }),
    ];
    return () => {
      for (const end of ends) end();
    };
  }
}
