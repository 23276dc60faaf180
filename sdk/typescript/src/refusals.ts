/** What `inbox_begin` says: may this attempt run? */
export type Verdict = "run" | "done" | "outdated" | "unknown";

/** The database cannot be reached, or not any more. The text is fit for the worker; the cause is not. */
export class Unreachable extends Error {
  override readonly name: string = "Unreachable";
}

/** No connection could be had, or nothing is heard on it: whatever comes right after would wait as long for nothing. */
export class NoConnection extends Unreachable {
  override readonly name: string = "NoConnection";
}

/** The inbox refused the mark at the end: another attempt was faster, or the message is gone. */
export class NotCurrent extends Error {
  override readonly name: string = "NotCurrent";
  readonly verdict: Exclude<Verdict, "run">;

  constructor(verdict: Exclude<Verdict, "run">, options: ErrorOptions) {
    super(`this attempt is ${verdict}`, options);
    this.verdict = verdict;
  }
}

/** A handler ended the transaction that it was given. */
export class TransactionEnded extends Error {
  override readonly name: string = "TransactionEnded";

  constructor() {
    super(
      "the handler ended the transaction it was given (COMMIT, ROLLBACK, or a library that did): use SAVEPOINT in it, " +
        "or the event's effects can happen twice",
    );
  }
}
