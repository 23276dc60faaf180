import type { Pool, PoolClient } from "pg";

import { NoConnection, Unreachable } from "./refusals.js";

/** How long a call waits for a connection of the pool, new or free. */
export const CONNECTION_WAIT_MS = 5_000;

/**
 * Lends a connection to `work`. It goes back into the pool, or away when it is not usable any more.
 *
 * Rejects with Unreachable when none is had within `waitMs` or it is lost on the way, else with what `work` threw.
 */
export async function withConnection<T>(
  pool: Pool,
  waitMs: number,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await borrow(pool, waitMs);
  let lost = false;
  const onError = (): void => {
    lost = true;
  };
  // A lost connection is told here as well as to the statement; without a listener it would end the process.
  client.on("error", onError);
  try {
    return await work(client);
  } catch (error) {
    const silent = isSilence(error);
    lost ||= silent || error instanceof Unreachable;
    if (silent) throw new NoConnection("the database does not answer", { cause: error });
    throw lost ? new Unreachable("the connection to the database was lost", { cause: error }) : error;
  } finally {
    client.off("error", onError);
    client.release(lost);
  }
}

/**
 * A statement was not answered in time: the server may be gone without a word, and whatever follows would wait as long.
 */
export function isSilence(error: unknown): boolean {
  return error instanceof Error && error.message === "Query read timeout";
}

async function borrow(pool: Pool, waitMs: number): Promise<PoolClient> {
  // The pool's own limit is off by default, and a server that is gone without a word would be awaited for minutes.
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<"late">((resolve) => {
    timer = setTimeout(resolve, waitMs, "late");
  });
  const connecting = pool.connect();
  try {
    const client = await Promise.race([connecting, tooLate]);
    if (client !== "late") return client;
  } catch (cause) {
    throw new NoConnection("the database cannot be reached", { cause });
  } finally {
    clearTimeout(timer);
  }
  connecting.then(
    (client) => client.release(),
    () => {},
  );
  throw new NoConnection("no connection to the database is free, or it cannot be reached");
}
