import { currentTurn } from "./turn.ts";

/**
 * Calls under way on an endpoint.
 *
 * grpc-js starts the call of a pick some microtasks later, or, where its caller gives up before that, never, and says
 * nothing. So a pick counts until its call starts, or the turn of the event loop ends; while call credentials are fetched
 * it does not count.
 */
export class CallCount {
  #started = 0;
  #picked = 0;
  /** The turn of those that were picked. */
  #turn = -1;

  get value(): number {
    return this.#picked > 0 && this.#turn === currentTurn() ? this.#started + this.#picked : this.#started;
  }

  picked(): void {
    const turn = currentTurn();
    this.#picked = turn === this.#turn ? this.#picked + 1 : 1;
    this.#turn = turn;
  }

  started(): void {
    this.#started++;
    if (this.#picked > 0) this.#picked--;
  }

  ended(): void {
    this.#started--;
  }
}
