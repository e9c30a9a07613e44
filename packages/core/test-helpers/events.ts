import { onTestFinished } from "vitest";
import { type Events, subscribe } from "../src/events.ts";

/** Collects the events of one name until the test ends. */
export function collect<Name extends keyof Events>(name: Name): Events[Name][] {
  const events: Events[Name][] = [];
  onTestFinished(subscribe(name, (event) => events.push(event)));
  return events;
}

/** Calls `listener` in the middle of each event of one name, until the test ends. */
export function callOn<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): void {
  onTestFinished(subscribe(name, listener));
}
