//! History costs nothing: with a million processed rows and a transaction held open, recording,
//! reading, starting and settling touch what they touch on an empty table.

use std::time::Duration;

use sea_mq_inbox::{Arrival, GivenUp, Inbox, Ingest, Processed, Recorded, Retry};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::support::{CONSUMER, Context, INCARNATION, STREAM, all_lanes, arrival, count, run};

const PROCESSED: i64 = 1_000_000;
const WHILE_OPEN: i64 = 50_000;
const BATCH: usize = 20;
/// The driver's statements get their lasting plan at the sixth run.
const WARM_UP: usize = 8;
const ROUNDS: usize = 15;

/// Pages of the inbox and its indexes that each step of a round looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Pages {
    recording: i64,
    reading: i64,
    starting: i64,
    retrying: i64,
    giving_up: i64,
    processing: i64,
}

struct Measured {
    context: Context,
    pool: PgPool,
    inbox: Inbox,
    observer: PgConnection,
    /// Up to where the queue was read.
    cursors: Vec<(i16, i64)>,
}

impl Measured {
    async fn new() -> Self {
        let context = Context::new().await;
        let mut observer = context.superuser().await;
        // Vacuum at a moment of its own choice would make the counts vary.
        run(&mut observer, "ALTER TABLE inbox_messages SET (autovacuum_enabled = off)").await;
        let pool = context.impatient(1).await;
        let inbox = Inbox::new(pool.clone(), CONSUMER);
        let cursors = all_lanes().into_iter().map(|lane| (lane, 0)).collect();
        Self { context, pool, inbox, observer, cursors }
    }

    /// History, as it is after a vacuum.
    async fn fill(&mut self) {
        let sql = format!(
            "INSERT INTO inbox_messages (message_id, consumer, subject, event_type, event_version, aggregate_type,
                 aggregate_id, processed_at, attempts, fence, stream, stream_created_at, stream_seq, state, lane)
             SELECT gen_random_uuid(), '{CONSUMER}', 'you.event.case_opened.v1', 'case_opened', 1, 'case',
                 (n % 1000)::text, clock_timestamp(), 1, 1, '{STREAM}', '{INCARNATION}', n, 'processed', n % 32
             FROM generate_series(1, {PROCESSED}) n"
        );
        run(&mut self.observer, &sql).await;
        run(&mut self.observer, "VACUUM ANALYZE inbox_messages").await;
    }

    /// More history that went through every state, while its dead index entries cannot be removed.
    async fn process_many(&mut self) {
        let sql = format!(
            "INSERT INTO inbox_messages (message_id, consumer, subject, event_type, event_version, aggregate_type,
                 aggregate_id, stream, stream_created_at, stream_seq, headers, body, state, lane)
             SELECT gen_random_uuid(), '{CONSUMER}', 'you.event.case_opened.v1', 'case_opened', 1, 'case',
                 (n % 1000)::text, '{STREAM}', '{INCARNATION}', n, '[]', '{{}}', 'ready', n % 32
             FROM generate_series(1, {WHILE_OPEN}) n;
             UPDATE inbox_messages SET state = 'running', fence = 1, attempts = 1 WHERE state = 'ready';
             UPDATE inbox_messages SET state = 'processed', processed_at = clock_timestamp(), headers = NULL, body = NULL
             WHERE state = 'running';
             ANALYZE inbox_messages"
        );
        run(&mut self.observer, &sql).await;
        let last = count(&mut self.observer, "SELECT last_value FROM inbox_pos").await;
        self.cursors.iter_mut().for_each(|(_, after)| *after = last);
    }

    /// Pages of the inbox looked at so far, by statements that have ended.
    async fn pages(&mut self) -> i64 {
        sqlx::query("SELECT pg_stat_force_next_flush()").execute(&self.pool).await.unwrap();
        let sql = "SELECT (heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read)::bigint
                   FROM pg_statio_user_tables WHERE relname = 'inbox_messages'";
        count(&mut self.observer, sql).await
    }

    /// Entries of the inbox's indexes, dead ones too, and rows of scans, gone through so far.
    async fn entries(&mut self) -> i64 {
        let sql = "SELECT (seq_tup_read + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes
                                           WHERE relname = 'inbox_messages'))::bigint
                   FROM pg_stat_user_tables WHERE relname = 'inbox_messages'";
        count(&mut self.observer, sql).await
    }

    /// A batch through the inbox: a fifth given up, the others retried once, then processed. What
    /// each step touched, and how many entries all of them went through.
    async fn round(&mut self) -> (Pages, i64) {
        let group: Vec<Arrival> = (0..BATCH).map(|n| arrival(Some(&n.to_string()), 1)).collect();
        let right: Ingest = self.context.ingest.clone();
        let (inbox, instance) = (self.inbox.clone(), right.instance);
        let mut at = vec![self.pages().await];
        let entries = self.entries().await;

        let Recorded::New(new) = inbox.record(&right, &group).await.unwrap() else { panic!("lease lost") };
        assert_eq!(new.len(), BATCH);
        at.push(self.pages().await);
        let rows = inbox.ready(&self.cursors, 64).await.unwrap();
        assert_eq!(rows.len(), BATCH);
        let last = rows.iter().map(|row| row.pos).max().unwrap();
        self.cursors.iter_mut().for_each(|(_, after)| *after = last);
        at.push(self.pages().await);
        let ids: Vec<Uuid> = rows.iter().map(|row| row.message_id).collect();
        assert_eq!(inbox.start(instance, &ids).await.unwrap().len(), BATCH);
        at.push(self.pages().await);
        let (gone, again) = ids.split_at(BATCH / 5);
        let retries: Vec<Retry> = again.iter().map(|id| retry(*id)).collect();
        inbox.settle_retry(&retries).await.unwrap();
        at.push(self.pages().await);
        let given_up: Vec<GivenUp> = gone.iter().map(|id| given_up(*id)).collect();
        inbox.settle_given_up(&given_up).await.unwrap();
        let letters = inbox.letters(&all_lanes(), 0, 64).await.unwrap();
        assert_eq!(letters.len(), gone.len());
        for letter in letters {
            assert!(inbox.mark_dead(letter.message_id, letter.fence, false).await.unwrap());
        }
        at.push(self.pages().await);
        let done: Vec<Processed> = ids.iter().map(|id| Processed { message_id: *id }).collect();
        inbox.settle_processed(&done).await.unwrap();
        at.push(self.pages().await);

        let of = |n: usize| at[n + 1] - at[n];
        let pages = Pages {
            recording: of(0),
            reading: of(1),
            starting: of(2),
            retrying: of(3),
            giving_up: of(4),
            processing: of(5),
        };
        (pages, self.entries().await - entries)
    }
}

fn retry(message_id: Uuid) -> Retry {
    Retry { message_id, fence: 1, delay: Duration::ZERO, error: None, suspect: false, give_back: false }
}

fn given_up(message_id: Uuid) -> GivenUp {
    GivenUp { message_id, fence: 1, reason: "poison", error: "422".to_owned() }
}

fn middle<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}

/// Rounds of both in turn.
async fn compare(empty: &mut Measured, full: &mut Measured) -> [(Pages, i64); 2] {
    for _round in 0..WARM_UP {
        empty.round().await;
        full.round().await;
    }
    let mut rounds = [Vec::new(), Vec::new()];
    for _round in 0..ROUNDS {
        rounds[0].push(empty.round().await);
        rounds[1].push(full.round().await);
    }
    rounds.map(|of| {
        let (pages, entries): (Vec<Pages>, Vec<i64>) = of.into_iter().unzip();
        (middle(pages), middle(entries))
    })
}

/// What a step may touch beside what it touches on an empty table: a fifth more, and for each of its
/// searches the levels that an index over a million rows is higher. Of the entries that it goes through, a fifth
/// more, and for each row two of earlier versions that no search has marked as dead yet.
fn assert_like_empty(what: &str, [(empty, empty_entries), (full, full_entries)]: [(Pages, i64); 2]) {
    const LEVELS: i64 = 2;
    let batch = i64::try_from(BATCH).unwrap();
    for (step, empty, full, searches) in [
        // Is it there already, is it there yet, and where does it go.
        ("recording", empty.recording, full.recording, 3 * batch),
        ("reading", empty.reading, full.reading, 32),
        // To lock it, to change it, to enter the new version twice.
        ("starting", empty.starting, full.starting, 4 * batch),
        // And to say how it stands.
        ("retrying", empty.retrying, full.retrying, 5 * batch),
        ("giving up", empty.giving_up, full.giving_up, 5 * batch),
        ("processing", empty.processing, full.processing, 5 * batch),
    ] {
        let bound = empty * 6 / 5 + LEVELS * searches;
        assert!(full <= bound, "{what}, {step}: {full} pages, on an empty table {empty}, at most {bound}");
    }
    let bound = empty_entries * 6 / 5 + 2 * batch;
    assert!(
        full_entries <= bound,
        "{what}: {full_entries} entries, on an empty table {empty_entries}, at most {bound}"
    );
}

#[tokio::test]
async fn history_and_open_transactions_cost_nothing() {
    let (mut empty, mut full) = (Measured::new().await, Measured::new().await);
    full.fill().await;
    assert_like_empty("history", compare(&mut empty, &mut full).await);
    let mut reader = full.context.app().await;
    run(&mut reader, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id()").await;
    full.process_many().await;
    assert_like_empty("an open transaction", compare(&mut empty, &mut full).await);
    run(&mut reader, "COMMIT").await;
}

/// Statements keep the plan that was made while the table was empty until somebody analyses it: the
/// first minute of a new installation.
#[tokio::test]
async fn a_table_that_fills_up_stays_as_fast_under_the_plans_of_an_empty_one() {
    let mut fresh = Measured::new().await;
    let mut rounds: Vec<Pages> = Vec::new();
    for _round in 0..150 {
        rounds.push(fresh.round().await.0);
    }
    let (early, late) = (middle(rounds[10..20].to_vec()), middle(rounds[140..].to_vec()));
    for (step, early, late) in [
        ("recording", early.recording, late.recording),
        ("reading", early.reading, late.reading),
        ("starting", early.starting, late.starting),
        ("retrying", early.retrying, late.retrying),
        ("processing", early.processing, late.processing),
    ] {
        assert!(late <= early * 2 + 40, "{step}: {early} pages at first, {late} after 150 groups");
    }
}
