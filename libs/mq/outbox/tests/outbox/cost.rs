//! History costs nothing: with a million published rows and transactions held open, a look, a claim
//! and a mark touch what they touch on an empty table.

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

/// What one round cost. Counted by the server, so that what else the machine does changes nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    /// Pages of the outbox and its indexes that look and claim touched.
    finding: i64,
    /// Entries of its indexes, dead ones too, and rows of scans, that look and claim went through.
    going_through: i64,
    /// Pages that the mark touched.
    marking: i64,
}

/// The same, since the server began to count.
#[derive(Clone, Copy, Debug)]
struct Touched {
    pages: i64,
    entries: i64,
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

    /// What was touched of the outbox so far, by statements that have ended.
    async fn touched(&mut self) -> Touched {
        sqlx::query("SELECT pg_stat_force_next_flush()").execute(&self.pool).await.unwrap();
        let pages = "SELECT (heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read)::bigint
                     FROM pg_statio_user_tables WHERE relname = 'outbox_events'";
        let entries = "SELECT (seq_tup_read + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes
                                               WHERE relname = 'outbox_events'))::bigint
                       FROM pg_stat_user_tables WHERE relname = 'outbox_events'";
        Touched {
            pages: count(&mut self.observer, pages).await,
            entries: count(&mut self.observer, entries).await,
        }
    }

    async fn round(&mut self) -> Cost {
        let subject = self.context.event(None).subject;
        let sql = format!(
            "SELECT outbox_emit('{subject}', '{{}}', 'case', n::text) FROM generate_series(1, {BATCH}) n;
             SELECT pg_stat_force_next_flush()"
        );
        run(&mut self.app, &sql).await;
        let before = self.touched().await;
        let rows = self.publisher.look().await;
        let found = self.touched().await;
        assert_eq!(i64::try_from(rows.len()).unwrap(), BATCH);
        self.publisher.mark(&rows).await;
        Cost {
            finding: found.pages - before.pages,
            going_through: found.entries - before.entries,
            marking: self.touched().await.pages - found.pages,
        }
    }

    /// A new owner that begins with what the last one kept: taking over, then one round.
    async fn restart(&mut self) -> i64 {
        self.publisher.save().await;
        let before = self.touched().await.pages;
        self.publisher = Publisher::resumed(Outbox::new(self.pool.clone())).await;
        let taken = self.touched().await.pages - before;
        taken + self.round().await.finding
    }
}

/// Rounds of both in turn.
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
    fn middle(values: impl Iterator<Item = i64>) -> i64 {
        let mut sorted: Vec<i64> = values.collect();
        sorted.sort_unstable();
        sorted[sorted.len() / 2]
    }
    Cost {
        finding: middle(costs.iter().map(|c| c.finding)),
        marking: middle(costs.iter().map(|c| c.marking)),
        going_through: middle(costs.iter().map(|c| c.going_through)),
    }
}

/// Finding work touches the same pages and goes through the same entries, within a fifth. A mark finds each row by its id: in an index
/// over a million ids that is up to two levels more for the search and two for the new entry.
fn assert_like_empty(what: &str, (empty, full): (Cost, Cost)) {
    assert!(full.finding * 5 <= empty.finding * 6, "{what}, finding: {full:?}, on an empty table {empty:?}");
    assert!(
        full.marking <= empty.marking + 4 * BATCH,
        "{what}, marking: {full:?}, on an empty table {empty:?}"
    );
    assert!(
        full.going_through * 5 <= empty.going_through * 6,
        "{what}, entries: {full:?}, on an empty table {empty:?}"
    );
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
