/** Batches: each, together, many, and an item that fails alone. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, beforeEach, describe, test } from "node:test";

import pg from "pg";

import {
  createHandlers,
  Poison,
  Retry,
  type Event,
  type Handlers,
  type LogLine,
  type ManyTransaction,
} from "../src/index.js";
import { openCalls, type Answer, type Call, type Calls } from "../src/testing.js";
import { Coin, keep, kept, Mint } from "./coins.js";
import { startContext, type Context } from "./kit.js";

describe("a batch", () => {
  let context: Context;
  let pool: pg.Pool;
  let calls: Calls;
  let lists: number[] = [];
  const mint = new Mint();
  const lines: LogLine[] = [];

  /** Version 1: each. 2: together. 3: many. 4: together, and asks. 5: together, and poison after it has kept. */
  function registered(): Handlers {
    const payload = Coin;
    return createHandlers({ pool, log: (line) => lines.push(line) })
      .on("coin_thrown", 1, { payload }, keep)
      .on("coin_thrown", 2, { payload, transaction: "together" }, keep)
      .onMany("coin_thrown", 3, { payload }, keepAll)
      .on("coin_thrown", 4, { payload, transaction: "together", ask: (event) => mint.ask(event) }, keep)
      .on("coin_thrown", 5, { payload, transaction: "together" }, async (tx, event) => {
        await keep(tx, event);
        throw new Poison("this coin is no good");
      })
      .ignore("coin_lost", 1);
  }

  async function keepAll(tx: ManyTransaction, events: readonly Event<Coin>[]): Promise<void> {
    lists.push(events.length);
    const [ids, values] = [events.map((it) => it.payload.coin_id), events.map((it) => it.payload.value)];
    await tx.client.query("INSERT INTO coins SELECT * FROM unnest($1::uuid[], $2::integer[])", [ids, values]);
    for (const event of events) await tx.emit(event, "kit.event.coin_kept.v1", {});
  }

  before(async () => {
    context = await startContext();
    pool = new pg.Pool({ connectionString: context.appUrl });
    calls = await openCalls(registered(), { databaseUrl: context.workerUrl });
  });
  after(async () => {
    await calls.close();
    await pool.end();
    await context.stop();
  });
  beforeEach(() => {
    Object.assign(mint, new Mint());
    lines.length = 0;
    lists = [];
  });

  const thrown = (version: number, payload: object = {}): Promise<Call> =>
    calls.attempt(`other.event.coin_thrown.v${version}`, { coin_id: randomUUID(), value: 5, ...payload });
  const several = async (...versions: number[]): Promise<Call[]> => Promise.all(versions.map((it) => thrown(it)));
  const coinOf = (call: Call): string => (call.payload as Coin).coin_id;
  const statuses = (answers: readonly Answer[]): number[] => answers.map((it) => it.status);
  /** For each call: its coins, its events, its mark. */
  const effects = (of: readonly Call[]): Promise<unknown[]> =>
    Promise.all(
      of.map(async (call) => {
        const events = await calls.emitted(call);
        return [await kept(context.admin, coinOf(call)), events.length, (await calls.inbox(call)).state];
      }),
    );
  const DONE = [1, 1, "processed"];
  const NOTHING = [0, 0, "running"];
  const transactionsOf = async (of: readonly Call[]): Promise<number> => {
    const ids = of.map((it) => it.message_id);
    const counted = "SELECT count(DISTINCT tx)::integer AS n FROM outbox_events WHERE causation_id = ANY ($1)";
    return (await context.admin.query<{ n: number }>(counted, [ids])).rows[0]?.n ?? 0;
  };

  test("each in a transaction of its own", async () => {
    const batch = await several(...Array.from({ length: 20 }, () => 1));
    assert.deepEqual(
      statuses(await calls.handleBatch(batch)),
      batch.map(() => 200),
    );
    assert.deepEqual(
      await effects(batch),
      batch.map(() => DONE),
    );
    assert.equal(await transactionsOf(batch), 20);
  });

  test("together in one transaction, whatever their types", async () => {
    const batch = await several(2, 3, 4, 2, 3, 4);
    assert.deepEqual(
      statuses(await calls.handleBatch(batch)),
      batch.map(() => 200),
    );
    assert.deepEqual(
      await effects(batch),
      batch.map(() => DONE),
    );
    assert.deepEqual([await transactionsOf(batch), lists, mint.times], [1, [2], 2]);
  });

  test("many get the list, and each event its own lineage", async () => {
    const batch = await several(3, 3, 3);
    assert.deepEqual(statuses(await calls.handleBatch(batch)), [200, 200, 200]);
    assert.deepEqual(await effects(batch), [DONE, DONE, DONE]);
    const [event] = await calls.emitted(batch[1] ?? assert.fail());
    assert.equal(event?.correlation_id, batch[1]?.correlation_id);
    const single = await thrown(3);
    assert.equal((await calls.handle(single)).status, 200);
    assert.deepEqual(lists, [3, 1]);
  });

  test("an item fails alone: each", async () => {
    const batch = [await thrown(1), await thrown(1, { value: 31337 }), await thrown(1)];
    assert.deepEqual(statuses(await calls.handleBatch(batch)), [200, 500, 200]);
    assert.deepEqual(await effects(batch), [DONE, NOTHING, DONE]);
  });

  test("an item fails alone: together and many run again one by one", async () => {
    const batch = [...(await several(2, 3, 3, 5)), await thrown(3, { value: 31337 }), await thrown(2)];
    assert.deepEqual(statuses(await calls.handleBatch(batch)), [200, 200, 200, 422, 500, 200]);
    assert.deepEqual(await effects(batch), [DONE, DONE, DONE, NOTHING, NOTHING, DONE]);
    assert.equal(await transactionsOf(batch), 4);
    const said = lines.filter(
      (line) => line.message === "6 events in one transaction were rolled back; they run one by one",
    );
    assert.equal(said.length, 1);
    assert.ok(!JSON.stringify(lines).includes("31337"));
  });

  test("what may not run is left out, and does not fail the others", async () => {
    const [done, outdated, ...rest] = await several(2, 3, 2, 3);
    assert.ok(done && outdated);
    await calls.handle(done);
    await calls.attemptAgain(outdated);
    const unknown = { ...(await thrown(2)), message_id: randomUUID() };
    const lost = await calls.attempt("other.event.coin_lost.v1", {});
    const found = await calls.attempt("other.event.coin_found.v1", {});
    const invalid = await thrown(2, { value: "secret" });
    const answers = await calls.handleBatch([done, outdated, ...rest, unknown, lost, found, invalid]);
    assert.deepEqual(statuses(answers), [409, 503, 200, 200, 503, 200, 404, 422]);
    assert.deepEqual(await effects([done, outdated, ...rest]), [DONE, NOTHING, DONE, DONE]);
    assert.equal(await transactionsOf(rest), 1);
  });

  test("a duplicate within a batch is settled once", async () => {
    const [call] = await several(2);
    assert.ok(call);
    // The other may also have seen the first one's row: refused, and called again.
    assert.equal(statuses(await calls.handleBatch([call, call])).filter((it) => it === 200).length, 1);
    assert.deepEqual(await effects([call]), [DONE]);
  });

  test("an attempt that is replaced on its way takes no other along", async () => {
    const [replaced, other] = await several(4, 4);
    assert.ok(replaced && other);
    mint.before = async (event) => {
      // Seen by the check, gone by the transaction.
      if (event.messageId === replaced.message_id) await calls.attemptAgain(replaced);
    };
    assert.deepEqual(statuses(await calls.handleBatch([replaced, other])), [503, 200]);
    assert.deepEqual(await effects([replaced, other]), [NOTHING, DONE]);
  });

  test("a zombie batch that commits late is rolled back, and only its replaced event stays undone", async () => {
    const [replaced, other] = await several(2, 2);
    assert.ok(replaced && other);
    const client = await pool.connect();
    // The handler waits for this lock, after the inbox has let both run.
    await client.query("BEGIN; LOCK TABLE coins IN SHARE MODE");
    const late = calls.handleBatch([replaced, other]);
    const waiting = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'coins'::regclass";
    while ((await context.admin.query(waiting)).rowCount === 0);
    await calls.attemptAgain(replaced);
    await client.query("COMMIT");
    client.release();
    assert.deepEqual(statuses(await late), [503, 200]);
    assert.deepEqual(await effects([replaced, other]), [NOTHING, DONE]);
  });

  test("who cannot be asked fails alone, and its event waits longer with each attempt", async () => {
    const [unlucky, other] = await several(4, 4);
    assert.ok(unlucky && other);
    mint.before = async (event) => {
      if (event.messageId === unlucky.message_id) throw new Retry("the mint cannot be reached");
    };
    const answers = await calls.handleBatch([{ ...unlucky, attempt: 3 }, other]);
    assert.deepEqual(answers[0], { status: 503, why: "the mint cannot be reached", retryAfterSecs: 4 });
    assert.equal(answers[1]?.status, 200);
  });

  test("batches over the same events do not deadlock, and each takes effect once", async () => {
    const batch = await several(...Array.from({ length: 30 }, (_, index) => 2 + (index % 2)));
    const answers = await Promise.all([batch, batch.toReversed(), batch].map((it) => calls.handleBatch(it)));
    assert.deepEqual(
      await effects(batch),
      batch.map(() => DONE),
    );
    assert.equal(answers.flat().filter((it) => it.status === 200).length, 30);
  });

  test("without a database every item comes again, and none waits for the others", async () => {
    const gone = new pg.Pool({ connectionString: "postgres://nobody:secret@127.0.0.1:1/none" });
    const handlers = createHandlers({ pool: gone, log: (line) => lines.push(line) })
      .on("coin_thrown", 1, { payload: Coin }, keep)
      .on("coin_thrown", 2, { payload: Coin, transaction: "together" }, keep);
    const away = await openCalls(handlers, { databaseUrl: context.workerUrl });
    const answers = await away.handleBatch(await several(1, 2, 1, 2, 1));
    assert.deepEqual(
      answers.map((it) => [it.status, it.retryAfterSecs]),
      answers.map(() => [503, 1]),
    );
    await away.close();
    await gone.end();
  });

  test("the default for all is overridden by a registration", async () => {
    const handlers = createHandlers({ pool, transaction: "together", log: (line) => lines.push(line) })
      .on("coin_thrown", 1, { payload: Coin }, keep)
      .on("coin_thrown", 2, { payload: Coin, transaction: "each" }, keep);
    const other = await openCalls(handlers, { databaseUrl: context.workerUrl });
    const batch = await several(1, 2, 1, 2, 1);
    assert.deepEqual(
      statuses(await other.handleBatch(batch)),
      batch.map(() => 200),
    );
    assert.equal(await transactionsOf(batch), 3);
    await other.close();
  });

  test("a line an event, with the size of the batch", async () => {
    await calls.handleBatch(await several(1, 2, 3));
    assert.deepEqual(
      lines.map((line) => [line.message, line["batch"]]),
      [
        ["processed", 3],
        ["processed", 3],
        ["processed", 3],
      ],
    );
  });
});
