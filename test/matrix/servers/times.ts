/** At this age, ±10 %, connections are retired where that is the event. */
export const maxAgeMs = 200;

/** From SIGTERM until anything ends. Endpoints need less to change. */
export const readinessDelayMs = 300;
