/**
 * Thrown by a handler: this event can never be handled. It becomes a dead letter (422).
 *
 * The text is stored beside the event and logged, so it holds nothing of the payload.
 */
export class Poison extends Error {
  override readonly name: string = "Poison";
}

/**
 * Thrown by a handler: not now. The event comes again (503), and the text is kept as its last error.
 *
 * `afterSecs` says when, in seconds, at most a day. Without it the wait doubles with each attempt from 1 s to 15 min;
 * a short constant one would use up all attempts during an outage of minutes.
 */
export class Retry extends Error {
  override readonly name: string = "Retry";
  readonly afterSecs: number | null;

  constructor(why: string, options: { readonly afterSecs?: number } = {}) {
    super(why);
    const { afterSecs = null } = options;
    if (afterSecs !== null && !(afterSecs >= 0)) {
      throw new RangeError("afterSecs: a number of seconds, 0 or more");
    }
    this.afterSecs = afterSecs;
  }
}
