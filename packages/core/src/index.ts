export { parseTarget, type Target } from "./target/target.ts";
export type {
  Resolver,
  ResolverContext,
  ResolverFactory,
  ResolverListener,
  ResolverUpdate,
} from "./resolver/resolver.ts";
export { staticEndpoints } from "./resolver/static.ts";
export { type DnsOptions, dns, type HostAddress } from "./resolver/dns.ts";
export { type VipOptions, vip } from "./resolver/vip.ts";
export { warnOnce } from "./resolver/warning.ts";
export {
  type Address,
  createEndpoint,
  describeEndpoint,
  type Endpoint,
  type EndpointInit,
  formatAddress,
  usableEndpoints,
} from "./endpoint/endpoint.ts";
export type { Subset } from "./subset/subset.ts";
export { type RendezvousSubsetOptions, rendezvousSubset } from "./subset/rendezvous-subset.ts";
export { type ApertureSubsetOptions, apertureSubset } from "./subset/aperture-subset.ts";
export type { ConnectivityState } from "./connection/state.ts";
export type { ConnectionHealth } from "./connection/health.ts";
export type { Connection, ConnectionEnd, ConnectionListener, Connector, Goaway } from "./connection/connection.ts";
export type { HeaderList, RequestHead, Stream, StreamEnd, StreamListener } from "./connection/stream.ts";
export { type EndpointChanges, reconcile } from "./pool/reconcile.ts";
export { type BackoffOptions, backoffDelay, connectionBackoff } from "./pool/backoff.ts";
export { setPatientTimeout } from "./pool/patient-timeout.ts";
export type { Policy, PolicyContext } from "./policy/policy.ts";
export { roundRobin } from "./policy/round-robin.ts";
export { type LeastRequestOptions, leastRequest } from "./policy/least-request.ts";
export { type PeakEwmaOptions, peakEwma } from "./policy/peak-ewma.ts";
export { shortestExpectedDelay } from "./policy/shortest-expected-delay.ts";
export { neverQueue } from "./policy/never-queue.ts";
export { random } from "./policy/random.ts";
export { type WeightedRoundRobinOptions, weightedRoundRobin } from "./policy/weighted-round-robin.ts";
export { type RingHashOptions, ringHash } from "./policy/ring-hash.ts";
export { type MaglevOptions, maglev } from "./policy/maglev.ts";
export type { HashOptions } from "./policy/hash-policy.ts";
export type { EndpointKey } from "./policy/hash-members.ts";
export type { RequestContextKey, RequestKey } from "./policy/request-key.ts";
export { locality } from "./policy/locality.ts";
export type { LocalityOptions } from "./policy/locality-options.ts";
export type { Candidate } from "./load/candidate.ts";
export { type SlowStartOptions, slowStart } from "./load/slow-start.ts";
export type { ServerLoad } from "./load/server-load.ts";
export type { ContextValues, Picker, PickInfo, PickResult } from "./picker/picker.ts";
export { type Dialled, StartHold } from "./picker/start-hold.ts";
export type { PickHandler } from "./picker/pick-queue.ts";
export type { StreamFate } from "./outcome/fate.ts";
export { isFailure } from "./outcome/failure.ts";
export type { Outcome } from "./outcome/outcome.ts";
export { type BalancingOptions, stackPolicies } from "./policy/stack.ts";
export { outlierDetection } from "./outlier/outlier-detection.ts";
export type {
  ConsecutiveFailures,
  EjectionChange,
  EjectionReason,
  FailurePercentageEjection,
  OutlierDetectionOptions,
  SuccessRateEjection,
} from "./outlier/options.ts";
export { RetryBudget, type RetryBudgetOptions } from "./outcome/retry-budget.ts";
export { Channel, createChannel } from "./channel.ts";
export type { ChannelOptions } from "./channel-options.ts";
export type { ChannelSnapshot, ConnectionSnapshot, EndpointSnapshot } from "./snapshot.ts";
export { type ConnectionEvent, type Events, hasSubscribers, publish, subscribe } from "./events.ts";
export { type Clock, systemClock, type Timer, type TimerOptions } from "./clock.ts";
export { jitter, type Random, randomInt, systemRandom } from "./random.ts";
export {
  checkKeys,
  clockOption,
  durationOption,
  maxTimerMs,
  type NumberRange,
  numberOption,
  typeOption,
} from "./options.ts";
export { messageOf, StatusCode, StatusError } from "./errors.ts";
