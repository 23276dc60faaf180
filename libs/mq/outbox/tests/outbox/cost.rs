//! History costs nothing: with a million published rows and transactions held open, a look, a claim
//! and a mark touch what they touch on an empty table.

use std::time::{Duration, Instant};

use sea_mq_outbox::Outbox;
use sqlx::{PgConnection, PgPool};

use crate::publisher::Publisher;
use crate::support::{Context, count, run};

const PUBLISHED: i64 = 1_000_000;
const WHILE_OPEN: i64 = 50_000;
const BATCH: i64 = 20;
/// The driver's statements get their lasting plan at the sixth run.
const WARM_UP: usize = 8;
const ROUNDS: usize = 15;

/// A publisher on one connection, and the means to say what its statements touched.
struct Measured {
    context: Context,
    pool: PgPool,
    publisher: Publisher,
    app: PgConnection,
    observer: PgConnection,
}

/// What one round cost.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    /// Pages of the outbox and its indexes that scout and claim looked at.
    finding: i64,
    /// The same for the mark.
    marking: i64,
    time: Duration,
}

impl Measured {
    async fn new() -> Self {
        let context = Context::new().await;
        let mut observer = context.superuser().await;
        // Vacuum at a moment of its own choice would make the counts vary.
        run(&mut observer, "ALTER TABLE outbox_events SET (autovacuum_enabled = off)").await;
        let pool = context.pool(1, "5s").await;
        let publisher = Publisher::new(Outbox::new(pool.clone())).await;
        let app = context.app().await;
        Self { context, pool, publisher, app, observer }
    }

    /// History, as it is after a vacuum.
    async fn fill(&mut self) {
        let subject = self.context.event(None).subject;
        let sql = format!(
            "SET session_replication_role = replica;
             INSERT INTO outbox_events (id, subject, event_type, event_version, aggregate_type, aggregate_id, payload,
                 correlation_id, published_at, stream, stream_created_at, stream_seq, state, lane)
             SELECT gen_random_uuid(), '{subject}', 'case_opened', 1, 'case', (n % 1000)::text, '{{}}', gen_random_uuid(),
                 clock_timestamp(), 'T_EVENTS', '2026-01-01', n, 'published', n % 32
             FROM generate_series(1, {PUBLISHED}) n;
             SET session_replication_role = origin;"
        );
        run(&mut self.observer, &sql).await;
        run(&mut self.observer, "VACUUM ANALYZE outbox_events").await;
    }

    /// More history, while its dead index entries cannot be removed.
    async fn publish_many(&mut self) {
        let subject = self.context.event(None).subject;
        let sql = format!(
            "INSERT INTO outbox_events (id, subject, payload, aggregate_type, aggregate_id)
             SELECT gen_random_uuid(), '{subject}', '{{}}', 'case', (n % 1000)::text
             FROM generate_series(1, {WHILE_OPEN}) n"
        );
        run(&mut self.app, &sql).await;
        let found = self.publisher.publish().await;
        assert_eq!(i64::try_from(found.len()).unwrap(), WHILE_OPEN);
        run(&mut self.observer, "ANALYZE outbox_events").await;
    }

    /// Pages of the outbox looked at so far, by statements that have ended.
    async fn pages(&mut self) -> i64 {
        sqlx::query("SELECT pg_stat_force_next_flush()").execute(&self.pool).await.unwrap();
        let sql = "SELECT (heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read)::bigint
                   FROM pg_statio_user_tables WHERE relname = 'outbox_events'";
        count(&mut self.observer, sql).await
    }

    async fn round(&mut self) -> Cost {
        let subject = self.context.event(None).subject;
        let sql = format!(
            "SELECT outbox_emit('{subject}', '{{}}', 'case', n::text) FROM generate_series(1, {BATCH}) n;
             SELECT pg_stat_force_next_flush()"
        );
        run(&mut self.app, &sql).await;
        let before = self.pages().await;
        let started = Instant::now();
        let rows = self.publisher.look().await;
        let found_in = started.elapsed();
        let found = self.pages().await;
        assert_eq!(i64::try_from(rows.len()).unwrap(), BATCH);
        let started = Instant::now();
        self.publisher.mark(&rows).await;
        let time = found_in + started.elapsed();
        Cost { finding: found - before, marking: self.pages().await - found, time }
    }

    /// A new owner that begins with what the last one kept: taking over, then one round.
    async fn restart(&mut self) -> i64 {
        self.publisher.save().await;
        let before = self.pages().await;
        self.publisher = Publisher::resumed(Outbox::new(self.pool.clone())).await;
        let taken = self.pages().await - before;
        taken + self.round().await.finding
    }
}

/// Rounds of both in turn, so that what else the machine does strikes both.
async fn compare(empty: &mut Measured, full: &mut Measured) -> (Cost, Cost) {
    for _round in 0..WARM_UP {
        empty.round().await;
        full.round().await;
    }
    let (mut of_empty, mut of_full) = (Vec::new(), Vec::new());
    for _round in 0..ROUNDS {
        of_empty.push(empty.round().await);
        of_full.push(full.round().await);
    }
    (median(&of_empty), median(&of_full))
}

fn median(costs: &[Cost]) -> Cost {
    fn middle<T: Ord + Copy>(values: impl Iterator<Item = T>) -> T {
        let mut sorted: Vec<T> = values.collect();
        sorted.sort_unstable();
        sorted[sorted.len() / 2]
    }
    Cost {
        finding: middle(costs.iter().map(|c| c.finding)),
        marking: middle(costs.iter().map(|c| c.marking)),
        time: middle(costs.iter().map(|c| c.time)),
    }
}

/// Finding work touches the same pages, within a fifth. A mark finds each row by its id: in an index
/// over a million ids that is up to two levels more for the search and two for the new entry.
fn assert_like_empty(what: &str, (empty, full): (Cost, Cost)) {
    assert!(full.finding * 5 <= empty.finding * 6, "{what}, finding: {full:?}, on an empty table {empty:?}");
    assert!(
        full.marking <= empty.marking + 4 * BATCH,
        "{what}, marking: {full:?}, on an empty table {empty:?}"
    );
    // Loose, since the machine does other things; a walk over dead entries costs 30 times as much.
    assert!(full.time < empty.time * 2, "{what}: {full:?}, on an empty table {empty:?}");
}

#[tokio::test]
async fn history_and_open_transactions_cost_nothing() {
    let (mut empty, mut full) = (Measured::new().await, Measured::new().await);
    full.fill().await;
    assert_like_empty("history", compare(&mut empty, &mut full).await);

    let (mut reader, mut writer) = (full.context.app().await, full.context.app().await);
    run(&mut reader, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM outbox_events LIMIT 1").await;
    run(&mut writer, "BEGIN").await;
    full.context.emit(&mut writer, Some("1")).await;
    full.publish_many().await;
    assert_like_empty("open transactions", compare(&mut empty, &mut full).await);
    let (taken_empty, taken_full) = (empty.restart().await, full.restart().await);
    assert!(taken_full * 5 <= taken_empty * 6, "a new owner: {taken_full}, on an empty table {taken_empty}");

    run(&mut writer, "COMMIT").await;
    assert_eq!(full.publisher.publish().await.len(), 1, "and the late row is found");
    run(&mut reader, "COMMIT").await;
}

/// Statements keep the plan that was made while the table was empty until somebody analyses it: the
/// first minute of a new installation.
#[tokio::test]
async fn a_table_that_fills_up_stays_as_fast_under_the_plans_of_an_empty_one() {
    let mut fresh = Measured::new().await;
    let mut rounds = Vec::new();
    for _round in 0..150 {
        rounds.push(fresh.round().await);
    }
    let (early, late) = (median(&rounds[10..20]), median(&rounds[140..]));
    assert!(late.finding <= early.finding * 6 / 5, "{early:?} at first, {late:?} after 150 groups");
    assert!(late.marking <= early.marking * 6 / 5 + BATCH, "{early:?} at first, {late:?} after 150 groups");
}
