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
