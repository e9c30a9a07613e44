import { type Clock, type Connector, publish, type Random, systemClock, systemRandom } from "@evenkeel/core";
import { CheckedConnection } from "./checked-connection.ts";
import type { CheckedPeer, Checker } from "./checker.ts";
import { type HealthCheck, type HealthCheckSettings, healthCheckSettings } from "./options.ts";
import { PollChecker } from "./poll-checker.ts";
import { WatchChecker } from "./watch-checker.ts";

export interface HealthCheckingOptions {
  /** What events name: the target of the channel. */
  readonly target: string;
  readonly clock?: Clock;
  readonly random?: Random;
}

/**
 * A connector whose connections are picked only while they are healthy (gRFC A17). They are checked on themselves, with
 * streams in the background (`RequestHead.background`); those that are not healthy stay open.
 *
 * A watch needs connections of HTTP/2, a path any. Throws a `TypeError` or `RangeError` that says what `healthCheck` must
 * be.
 */
export function healthChecking(connector: Connector, check: HealthCheck, options: HealthCheckingOptions): Connector {
  const { target, clock = systemClock, random = systemRandom } = options;
  const settings = healthCheckSettings(check);
  const createChecker = (peer: CheckedPeer): Checker => checkerOf(settings, peer);
  let hasWarned = false;
  const warn = (message: string): void => {
    if (hasWarned) return;
    hasWarned = true;
    process.emitWarning(message, { type: "EvenkeelWarning", code: "EVENKEEL_HEALTH_UNIMPLEMENTED" });
    publish("warning", { target, message });
  };
  return {
    connect: (endpoint, listener) =>
      new CheckedConnection(endpoint, { connector, createChecker, clock, random, warn }, listener),
  };
}

function checkerOf(settings: HealthCheckSettings, peer: CheckedPeer): Checker {
  return settings.kind === "watch" ? new WatchChecker(settings, peer) : new PollChecker(settings, peer);
}
