/** Every answer of the handler contract, against a real database. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, beforeEach, describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";

import pg from "pg";

import { createHandlers, emit, type Event, type LogLine, type Transaction } from "../src/index.js";
import { openCalls, type Call, type CallOptions, type Calls } from "../src/testing.js";
import { Coin, coins, keep, kept, Mint } from "./coins.js";
import { Gate, startContext, Way, type Context } from "./kit.js";

const TRACE = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;

describe("one event", () => {
  let context: Context;
  let pool: pg.Pool;
  let calls: Calls;
  let coin: string;
  const mint = new Mint();
  const lines: LogLine[] = [];
  const log = (line: LogLine): number => lines.push(line);

  before(async () => {
    context = await startContext();
    pool = new pg.Pool({ connectionString: context.appUrl });
    calls = await openCalls(coins({ pool, log }, mint), { databaseUrl: context.workerUrl });
  });
  after(async () => {
    await calls.close();
    await pool.end();
    await context.stop();
  });
  beforeEach(() => {
    Object.assign(mint, new Mint());
    lines.length = 0;
    coin = randomUUID();
  });

  const thrown = (version = 1, payload: object = {}, options: CallOptions = {}): Promise<Call> =>
    calls.attempt(`other.event.coin_thrown.v${version}`, { coin_id: coin, value: 5, ...payload }, options);

  async function assertNothingThere(call: Call): Promise<void> {
    const { state } = await calls.inbox(call);
    assert.deepEqual([await kept(context.admin, coin), await calls.emitted(call)], [0, []]);
    assert.notEqual(state, "processed");
  }

  test("effects, event and mark are one, and the lineage goes on", async () => {
    const call = await thrown(1, {}, { traceparent: TRACE });
    assert.deepEqual(await calls.handle(call), { status: 200, why: "processed", retryAfterSecs: null });
    assert.deepEqual([await kept(context.admin, coin), (await calls.inbox(call)).state], [1, "processed"]);
    const [event] = await calls.emitted(call);
    assert.equal(event?.correlation_id, call.correlation_id);
    assert.equal(event?.causation_id, call.message_id);
    assert.deepEqual([event?.aggregate_type, event?.aggregate_id, event?.trace_id], ["coin", coin, TRACE]);
    assert.deepEqual(event?.payload, { coin_id: coin, asked: null });
  });

  test("a duplicate is 409 and changes nothing", async () => {
    const call = await thrown();
    const statuses = [];
    for (const again of [call, call, call]) statuses.push((await calls.handle(again)).status);
    assert.deepEqual(statuses, [200, 409, 409]);
    assert.deepEqual([await kept(context.admin, coin), (await calls.emitted(call)).length], [1, 1]);
  });

  test("duplicates at the same moment take effect once", async () => {
    const call = await thrown();
    const answers = await Promise.all(Array.from({ length: 8 }, () => calls.handle(call)));
    // Whoever came second may also have seen the first one's row: refused, and called again.
    assert.equal(answers.filter((it) => it.status === 200).length, 1);
    assert.deepEqual([await kept(context.admin, coin), (await calls.emitted(call)).length], [1, 1]);
  });

  test("an outdated attempt is 503 and the current one runs", async () => {
    const old = await thrown();
    const current = await calls.attemptAgain(old);
    assert.deepEqual(await calls.handle(old), { status: 503, why: "this attempt is outdated", retryAfterSecs: null });
    await assertNothingThere(old);
    assert.equal((await calls.handle(current)).status, 200);
  });

  test("a message that was never recorded is 503", async () => {
    const call = { ...(await thrown()), message_id: randomUUID() };
    assert.deepEqual(await calls.handle(call), { status: 503, why: "this attempt is unknown", retryAfterSecs: null });
    assert.equal(await kept(context.admin, coin), 0);
  });

  for (const [finished, status] of [
    [true, 409],
    [false, 503],
  ] as const) {
    test(`a zombie that commits late is rolled back: ${status}`, async () => {
      const zombie = await thrown();
      const entered = new Gate();
      const resumed = new Gate();
      const slow = createHandlers({ pool, log }).on("coin_thrown", 1, { payload: Coin }, async (tx, event) => {
        await tx.client.query("INSERT INTO coins (coin_id, value) VALUES ($1, 999)", [randomUUID()]);
        await tx.emit("kit.event.coin_kept.v1", { zombie: event.attempt });
        entered.open();
        await resumed.opened;
      });
      const other = await openCalls(slow, { databaseUrl: context.workerUrl });
      const late = other.handle(zombie);
      await entered.opened;
      const current = await calls.attemptAgain(zombie);
      if (finished) assert.equal((await calls.handle(current)).status, 200);
      resumed.open();
      assert.equal((await late).status, status);
      if (!finished) assert.equal((await calls.handle(current)).status, 200);
      assert.deepEqual([await kept(context.admin, coin), (await calls.emitted(zombie)).length], [1, 1]);
      const { rows } = await context.admin.query("SELECT FROM coins WHERE value = 999");
      assert.equal(rows.length, 0);
      await other.close();
    });
  }

  test("an unknown type or version is 404, an ignored one 200", async () => {
    for (const [subject, status] of [
      ["coin_found.v1", 404],
      ["coin_thrown.v99", 404],
      ["coin_lost.v1", 200],
    ] as const) {
      assert.equal((await calls.send(`other.event.${subject}`, {})).status, status, subject);
    }
  });

  const failures: ReadonlyArray<readonly [number, number, string, number | null]> = [
    [3, 500, "the handler failed (RangeError); see its log", null],
    [4, 503, "the database gave way to others (SQLSTATE 57014)", null],
    [5, 422, "this coin is no good", null],
    [6, 503, "the till is closed", 42],
    [7, 503, "the connection to the database was lost", 1],
    [8, 500, "an emitted event's subject belongs to another context (SQLSTATE MQ002); see the handler's log", null],
    [10, 500, "the database refused (SQLSTATE 25P02); see the handler's log", null],
  ];
  for (const [version, status, why, retryAfterSecs] of failures) {
    test(`a failure in the middle leaves nothing: ${why}`, async () => {
      const call = await thrown(version);
      assert.deepEqual(await calls.handle(call), { status, why, retryAfterSecs });
      await assertNothingThere(call);
    });
  }

  for (const state of ["MQ101", "MQ102", "MQ103"]) {
    test(`the inbox's ${state} means nothing when a handler's statement or question says it`, async () => {
      const raise = `DO $$ BEGIN RAISE EXCEPTION 'secret' USING ERRCODE = '${state}'; END $$`;
      const payload = Coin;
      const handlers = createHandlers({ pool, log })
        .on("coin_thrown", 1, { payload, transaction: "together" }, async (tx, event) => {
          await keep(tx, event);
          await tx.client.query(raise);
        })
        .on("coin_thrown", 2, { payload, ask: () => pool.query(raise) }, keep);
      const other = await openCalls(handlers, { databaseUrl: context.workerUrl });
      const batch = [await thrown(1), await thrown(1), await thrown(2)];
      const why = `the database refused (SQLSTATE ${state}); see the handler's log`;
      const refused = { status: 500, why, retryAfterSecs: null };
      assert.deepEqual(await other.handleBatch(batch), [refused, refused, refused]);
      for (const call of batch) {
        assert.deepEqual(await other.handle(call), refused);
        await assertNothingThere(call);
      }
      await other.close();
    });
  }

  test("a handler that marks another event, which is processed already, is 500", async () => {
    const done = await calls.attempt("other.event.coin_thrown.v1", { coin_id: randomUUID(), value: 5 });
    assert.equal((await calls.handle(done)).status, 200);
    const marking = createHandlers({ pool, log }).on("coin_thrown", 1, { payload: Coin }, async (tx, event) => {
      await keep(tx, event);
      await tx.client.query("SELECT inbox_complete($1, $2, $3)", [done.message_id, done.consumer, done.fence]);
    });
    const other = await openCalls(marking, { databaseUrl: context.workerUrl });
    const call = await thrown();
    assert.equal((await other.handle(call)).status, 500);
    await assertNothingThere(call);
    await other.close();
  });

  test("a handler that commits by itself is told so, and the event is not marked", async () => {
    const call = await thrown(9);
    const { status, why } = await calls.handle(call);
    assert.deepEqual([status, why], [500, "the handler failed (TransactionEnded); see its log"]);
    assert.equal((await calls.inbox(call)).state, "running");
  });

  test("what the database refuses is 500 without its words", async () => {
    const call = await thrown(1, { value: 31337 });
    const { status, why } = await calls.handle(call);
    assert.deepEqual([status, why], [500, "the database refused (SQLSTATE 23514); see the handler's log"]);
    await assertNothingThere(call);
    const [failed] = lines;
    assert.deepEqual([failed?.["table"], failed?.["constraint"]], ["coins", "coins_value_check"]);
  });

  test("statements of a handler that has ended reach no other transaction", async () => {
    let stray: Promise<unknown> = Promise.resolve();
    const entered = new Gate();
    const careless = async (tx: Transaction, event: Event<Coin>): Promise<void> => {
      assert.throws(() => tx.client.release(), /it is released by itself/);
      assert.ok(tx.client instanceof pg.Client);
      stray = entered.opened.then(() => keep(tx, event));
      throw new Error("the other half");
    };
    const handlers = createHandlers({ pool, log }).on("coin_thrown", 1, { payload: Coin }, careless);
    const other = await openCalls(handlers, { databaseUrl: context.workerUrl });
    const call = await thrown();
    assert.equal((await other.handle(call)).status, 500);
    entered.open();
    await assert.rejects(stray, /its transaction is over/);
    await assertNothingThere(call);
    await other.close();
  });

  test("who is away is 503 with a growing wait", async () => {
    mint.away = true;
    const call = await thrown(2);
    const first = await calls.handle(call);
    assert.deepEqual(first, { status: 503, why: "the mint cannot be reached", retryAfterSecs: 1 });
    const waits = [];
    for (const attempt of [2, 5, 11, 20]) waits.push((await calls.handle({ ...call, attempt })).retryAfterSecs);
    assert.deepEqual(waits, [2, 16, 900, 900]);
    await assertNothingThere(call);
  });

  test("nobody is asked in vain, and what was answered is handed over", async () => {
    const call = await thrown(2);
    assert.equal((await calls.handle(call)).status, 200);
    assert.deepEqual((await calls.emitted(call))[0]?.payload, { coin_id: coin, asked: "minted 5" });
    const outdated = await thrown(2);
    await calls.attemptAgain(outdated);
    assert.deepEqual([(await calls.handle(call)).status, (await calls.handle(outdated)).status], [409, 503]);
    assert.equal(mint.times, 1);
  });

  test("no connection is held while somebody is asked, and an attempt replaced meanwhile is rolled back", async () => {
    const call = await thrown(2);
    const narrow = new pg.Pool({ connectionString: context.appUrl, max: 1 });
    const handlers = coins({ pool: narrow, log }, mint);
    const other = await openCalls(handlers, { databaseUrl: context.workerUrl });
    mint.before = async () => {
      await narrow.query("SELECT 1");
      await calls.attemptAgain(call);
    };
    assert.equal((await other.handle(call)).status, 503);
    await assertNothingThere(call);
    await other.close();
    await narrow.end();
  });

  test("an unreachable or exhausted database is 503 with a growing wait", async (t) => {
    const call = { ...(await thrown()), attempt: 3 };
    const gone = new pg.Pool({ connectionString: "postgres://nobody:secret@127.0.0.1:1/none" });
    const away = await openCalls(coins({ pool: gone, log }, mint), { databaseUrl: context.workerUrl });
    assert.deepEqual(await away.handle(call), {
      status: 503,
      why: "the database cannot be reached",
      retryAfterSecs: 4,
    });
    const narrow = new pg.Pool({ connectionString: context.appUrl, max: 1 });
    const taken = await narrow.connect();
    const busy = await openCalls(coins({ pool: narrow, log }, mint), { databaseUrl: context.workerUrl });
    const why = "no connection to the database is free, or it cannot be reached";
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const waiting = busy.handle(call);
    await setImmediate();
    t.mock.timers.tick(5_000);
    assert.deepEqual(await waiting, { status: 503, why, retryAfterSecs: 4 });
    t.mock.timers.reset();
    taken.release();
    assert.equal((await busy.handle(call)).status, 200);
    await Promise.all([away.close(), busy.close(), gone.end(), narrow.end()]);
  });

  test("a database that falls silent is 503 within the time the worker waits, and the connection is given up", async (t) => {
    const [way, databaseUrl] = await Way.to(context.appUrl);
    const silent = new pg.Pool({ connectionString: databaseUrl });
    const handlers = createHandlers({ pool: silent, log }).on(
      "coin_thrown",
      1,
      { payload: Coin },
      async (tx, event) => {
        await keep(tx, event);
        way.fallSilent();
        t.mock.timers.enable({ apis: ["setTimeout"] });
        // The handler is done by then, and its completion waits.
        void setImmediate().then(() => t.mock.timers.tick(25_000));
      },
    );
    const other = await openCalls(handlers, { databaseUrl: context.workerUrl });
    const call = await thrown();
    const answer = await other.handle(call);
    t.mock.timers.reset();
    assert.deepEqual(answer, { status: 503, why: "the database does not answer", retryAfterSecs: 1 });
    assert.equal(silent.totalCount, 0);
    await assertNothingThere(call);
    await Promise.all([other.close(), silent.end()]);
    way.close();
  });

  test("connections that were cut off are replaced", async () => {
    await context.admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'kit_app'");
    const call = await thrown();
    let answer = await calls.handle(call);
    for (let left = pool.options.max; answer.status === 503 && left > 0; left -= 1) answer = await calls.handle(call);
    assert.deepEqual([answer.status, await kept(context.admin, coin)], [200, 1]);
  });

  test("a line an event, and no payload in any", async () => {
    const call = await thrown();
    await calls.handle(call);
    assert.equal(lines.length, 1);
    const { timestamp, took_ms: tookMs, ...line } = lines[0] ?? assert.fail();
    assert.ok(!Number.isNaN(Date.parse(timestamp)) && typeof tookMs === "number");
    assert.deepEqual(line, {
      level: "INFO",
      message: "processed",
      message_id: call.message_id,
      correlation_id: call.correlation_id,
      consumer: "testing__from_other",
      attempt: 1,
      event_type: "coin_thrown",
      event_version: 1,
      status: 200,
    });
    await calls.handle(await thrown(1, { value: 31337 }));
    for (const version of [3, 4, 7, 8, 10]) await calls.handle(await thrown(version, { coin_id: randomUUID() }));
    await calls.handle(await thrown(1, { coin_id: "31337" }));
    const all = JSON.stringify(lines.slice(1));
    assert.ok(!all.includes("31337") && !all.includes(coin) && !all.includes("secret"), all);
    assert.match(String(lines.find((it) => it["error"] === "RangeError")?.["at"]), /^coins\.js:\d+ < /);
  });

  test("a producer emits in its own transaction, with all that an event may say", async () => {
    const client = await pool.connect();
    const options = {
      aggregate: ["coin", coin],
      correlationId: randomUUID(),
      causationId: randomUUID(),
      traceparent: TRACE,
      occurredAt: new Date("2026-01-02T03:04:05.678Z"),
      publishAfter: new Date("2999-01-01T00:00:00Z"),
      id: randomUUID(),
    } as const;
    await client.query("BEGIN");
    assert.equal(await emit(client, "kit.event.coin_made.v1", [{ a: 1 }], options), options.id);
    const undone = await emit(client, "kit.event.coin_made.v1", "text", { traceparent: "none" });
    const found = async (id: string): Promise<Array<Record<string, unknown>>> =>
      (await context.admin.query<Record<string, unknown>>("SELECT * FROM outbox_events WHERE id = $1", [id])).rows;
    assert.deepEqual(await found(options.id), []);
    await client.query("COMMIT");
    const [row] = await found(options.id);
    assert.deepEqual(row?.["payload"], [{ a: 1 }]);
    assert.deepEqual([row?.["aggregate_type"], row?.["aggregate_id"]], options.aggregate);
    assert.deepEqual([row?.["correlation_id"], row?.["causation_id"]], [options.correlationId, options.causationId]);
    assert.deepEqual([row?.["occurred_at"], row?.["publish_after"]], [options.occurredAt, options.publishAfter]);
    assert.deepEqual([row?.["trace_id"], (await found(undone))[0]?.["trace_id"]], [TRACE, null]);
    await assert.rejects(emit(client, "kit.event.coin_made.v1", undefined), /a payload is JSON; undefined has none/);
    await assert.rejects(emit(client, "coin made", {}), { code: "MQ001" });
    client.release();
  });
});
