import type { Pool, PoolClient, QueryResult } from "pg";

import { sqlState } from "./answer.js";
import { CONNECTION_WAIT_MS, isSilence, withConnection } from "./connection.js";
import { NotCurrent, TransactionEnded, Unreachable, type Verdict } from "./refusals.js";

/** The three by which the inbox knows an attempt. */
export interface Attempt {
  readonly messageId: string;
  readonly consumer: string;
  readonly fence: number;
}

/** A statement gives up before the worker gives the call up: the longest that the worker waits is 30 s by default. */
const STATEMENT_TIMEOUT_MS = 20_000;
// For a server that is gone without a word and cannot say that the statement took too long.
const ANSWER_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 5_000;
// Gone with the transaction: so it is known at the end whether it is still the one that was begun.
const MARK = "sea_mq.transaction";
const OPEN = `BEGIN;
  SELECT set_config('statement_timeout', '${STATEMENT_TIMEOUT_MS}', true), set_config('${MARK}', 'open', true)`;

// What the inbox refuses a mark with. From any other statement it may be about another event.
const REFUSALS: Readonly<Record<string, Exclude<Verdict, "run">>> = {
  MQ101: "outdated",
  MQ102: "unknown",
  MQ103: "done",
};

/** Looks whether these attempts may run, without a transaction: spares what is asked in vain. */
export async function check(pool: Pool, attempts: readonly Attempt[]): Promise<Verdict[]> {
  return withConnection(pool, CONNECTION_WAIT_MS, async (client) =>
    verdicts(await run(client, begin(client, attempts))),
  );
}

/**
 * Runs `effects` for those of the attempts that may run, in one transaction that commits only as all of them.
 *
 * Returns the verdict of each. Those with `run` are processed. When it rejects, everything was rolled back, except for
 * TransactionEnded; NotCurrent says that another attempt was faster.
 */
export async function joined<A extends Attempt>(
  pool: Pool,
  attempts: readonly A[],
  effects: (client: PoolClient, current: readonly A[]) => Promise<void>,
): Promise<Verdict[]> {
  return withConnection(pool, CONNECTION_WAIT_MS, async (client) => {
    try {
      const begun = verdicts(await run(client, `${OPEN}; ${begin(client, attempts)}`));
      const current = attempts.filter((_, index) => begun[index] === "run");
      if (current.length > 0) await inside(client, (guarded) => effects(guarded, current));
      await complete(client, current);
      return begun;
    } catch (error) {
      // A connection that is silent goes away, and the transaction with it.
      if (!isSilence(error)) await rollBack(client);
      throw error;
    }
  });
}

async function complete(client: PoolClient, attempts: readonly Attempt[]): Promise<void> {
  if (attempts.length === 0) {
    await run(client, "ROLLBACK");
    return;
  }
  // Last, since it locks the inbox rows until the commit; always in this order, so that two batches never wait for
  // each other. In one text with the commit, which is not reached when it raises.
  const inOrder = attempts.toSorted((a, b) => (a.messageId < b.messageId ? -1 : 1));
  const marked = `SELECT inbox_complete(message_id, consumer, fence) FROM ${rows(client, inOrder)}
    WHERE current_setting('${MARK}', true) = 'open'`;
  const [result] = await run(client, `${marked}; COMMIT`).catch((cause: unknown) => {
    const verdict = REFUSALS[sqlState(cause) ?? ""];
    throw verdict === undefined ? cause : new NotCurrent(verdict, { cause });
  });
  if (result?.rowCount !== attempts.length) throw new TransactionEnded();
}

/**
 * Whatever of a handler still runs after it has ended must not reach the connection: by then it serves another event.
 */
async function inside(client: PoolClient, effects: (guarded: PoolClient) => Promise<void>): Promise<void> {
  let over = false;
  const guarded = new Proxy(client, {
    get(_, name) {
      const value: unknown = Reflect.get(client, name);
      if (typeof value !== "function") return value;
      return (...given: unknown[]): unknown => {
        if (over) throw new Error("the handler has ended and its transaction is over: await every statement in it");
        if (name === "release")
          throw new Error("the event's transaction has this connection: it is released by itself");
        return value.apply(client, given) as unknown;
      };
    },
  });
  try {
    await effects(guarded);
  } finally {
    over = true;
  }
}

async function rollBack(client: PoolClient): Promise<void> {
  try {
    await run(client, "ROLLBACK");
  } catch (cause) {
    throw new Unreachable("the connection to the database was lost", { cause });
  }
}

function begin(client: PoolClient, attempts: readonly Attempt[]): string {
  return `SELECT inbox_begin(message_id, consumer, fence) AS verdict FROM ${rows(client, attempts)}`;
}

function verdicts(results: QueryResult[]): Verdict[] {
  return (results.at(-1)?.rows ?? []).map((row: { verdict: Verdict }) => row.verdict);
}

// As literals, since a text of several statements takes no parameters; ids and fences were checked to be such.
function rows(client: PoolClient, attempts: readonly Attempt[]): string {
  const ids = attempts.map((it) => `'${it.messageId}'`);
  const consumers = attempts.map((it) => client.escapeLiteral(it.consumer));
  const fences = attempts.map((it) => it.fence);
  return `unnest(ARRAY[${ids}]::uuid[], ARRAY[${consumers}]::text[], ARRAY[${fences}]::bigint[])
    AS attempt(message_id, consumer, fence)`;
}

async function run(client: PoolClient, text: string): Promise<QueryResult[]> {
  const statement = { text, query_timeout: ANSWER_TIMEOUT_MS };
  const results: unknown = await client.query(statement);
  return (Array.isArray(results) ? results : [results]) as QueryResult[];
}
