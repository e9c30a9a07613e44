import { describe, expect, test } from "vitest";
import { hasSubscribers, publish, subscribe } from "./events.ts";

const event = { target: "http://orders", message: "look here" };

describe("events", () => {
  test("reach every subscriber of their name, until it stops", () => {
    const first: string[] = [];
    const second: string[] = [];
    const stopFirst = subscribe("warning", ({ message }) => first.push(message));
    const stopSecond = subscribe("warning", ({ message }) => second.push(message));
    const stopOther = subscribe("resolver.update", () => first.push("not mine"));
    publish("warning", event);
    stopFirst();
    publish("warning", event);
    stopSecond();
    stopOther();
    publish("warning", event);
    expect(first).toEqual(["look here"]);
    expect(second).toEqual(["look here", "look here"]);
  });

  test("tell whether anybody listens", () => {
    expect(hasSubscribers("attempt.end")).toBe(false);
    const stop = subscribe("attempt.end", () => {});
    expect(hasSubscribers("attempt.end")).toBe(true);
    stop();
    expect(hasSubscribers("attempt.end")).toBe(false);
  });
});
