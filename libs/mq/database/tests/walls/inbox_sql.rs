//! `inbox_begin`, `inbox_complete` and cleanup, as a handler's transactions meet them.

use std::time::Duration;

use crate::support::{Context, count, outcome, run, text};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

const CONSUMER: &str = "me__from_you";
const LEVELS: [&str; 3] = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"];

/// Records a message and starts its first attempt (fence 1), as the worker does.
async fn recorded(worker: &mut PgConnection, state: &str) -> Uuid {
    let id = Uuid::new_v4();
    let sql = format!(
        "INSERT INTO inbox_messages (message_id, consumer, subject, stream, stream_created_at, stream_seq, headers, body, \
                                     state, lane, attempts, fence, next_attempt_at, processed_at, dead_reason, dead_lettered_at, dead_epoch) \
         VALUES ('{id}', '{CONSUMER}', 'you.event.it.v1', 'YOU_EVENTS', now(), 1, '[]', '{{}}', '{state}', 0, 1, 1, \
                 CASE WHEN '{state}' = 'waiting' THEN now() END, CASE WHEN '{state}' = 'processed' THEN now() END, \
                 CASE WHEN '{state}' IN ('dying', 'dead') THEN 'poison' END, \
                 CASE WHEN '{state}' = 'dead' THEN now() END, CASE WHEN '{state}' = 'dead' THEN 0 END)"
    );
    run(worker, &sql).await.unwrap();
    id
}

fn complete(id: Uuid, fence: i64) -> String {
    format!("SELECT inbox_complete('{id}', '{CONSUMER}', {fence})")
}

async fn begin(app: &mut PgConnection, id: Uuid, fence: i64) -> String {
    text(app, &format!("SELECT inbox_begin('{id}', '{CONSUMER}', {fence})")).await
}

/// The worker gives the attempt up and starts the next one.
async fn next_attempt(worker: &mut PgConnection, id: Uuid) {
    let sql = format!(
        "UPDATE inbox_messages SET fence = fence + 1, attempts = attempts + 1, state = 'running', next_attempt_at = NULL WHERE message_id = '{id}'"
    );
    assert_eq!(run(worker, &sql).await.unwrap(), 1);
}

#[tokio::test]
async fn begin_tells_every_case() {
    let context = Context::new().await;
    let (mut app, mut worker) = (context.app().await, context.worker().await);
    for (state, fence, answer) in [
        ("running", 1, "run"),
        ("waiting", 1, "run"),
        ("running", 0, "outdated"),
        ("running", 2, "outdated"),
        ("ready", 1, "outdated"),
        ("behind", 1, "outdated"),
        ("dying", 1, "outdated"),
        ("dead", 1, "outdated"),
        ("processed", 1, "done"),
        ("processed", 9, "done"),
    ] {
        let id = recorded(&mut worker, state).await;
        assert_eq!(begin(&mut app, id, fence).await, answer, "{state} with fence {fence}");
    }
    assert_eq!(begin(&mut app, Uuid::new_v4(), 1).await, "unknown");
}

#[tokio::test]
async fn complete_marks_once_and_raises_otherwise_at_every_level() {
    let context = Context::new().await;
    let (mut app, mut worker) = (context.app().await, context.worker().await);
    for level in LEVELS {
        for (state, fence, code) in [
            ("running", 1, "ok"),
            ("waiting", 1, "ok"),
            ("running", 2, "MQ101"),
            ("running", 0, "MQ101"),
            ("ready", 1, "MQ101"),
            ("dying", 1, "MQ101"),
            ("dead", 1, "MQ101"),
            ("processed", 1, "MQ103"),
        ] {
            let id = recorded(&mut worker, state).await;
            run(&mut app, &format!("BEGIN ISOLATION LEVEL {level}")).await.unwrap();
            assert_eq!(
                outcome(&mut app, &complete(id, fence)).await,
                code,
                "{state}, fence {fence}, {level}"
            );
            run(&mut app, if code == "ok" { "COMMIT" } else { "ROLLBACK" }).await.unwrap();
            let marked = format!(
                "SELECT concat_ws(' ', state, processed_at IS NOT NULL, body IS NULL) FROM inbox_messages WHERE message_id = '{id}'"
            );
            if code == "ok" {
                assert_eq!(text(&mut worker, &marked).await, "processed t t");
            }
        }
        run(&mut app, &format!("BEGIN ISOLATION LEVEL {level}")).await.unwrap();
        assert_eq!(outcome(&mut app, &complete(Uuid::new_v4(), 1)).await, "MQ102", "{level}");
        run(&mut app, "ROLLBACK").await.unwrap();
    }
}

#[tokio::test]
async fn a_mark_of_the_same_transaction_is_told_from_that_of_another() {
    let context = Context::new().await;
    let (mut app, mut worker) = (context.app().await, context.worker().await);
    for level in LEVELS {
        for (before, after) in
            [("", ""), ("SAVEPOINT a", "RELEASE a"), ("SAVEPOINT a; SAVEPOINT b", "RELEASE b")]
        {
            let id = recorded(&mut worker, "running").await;
            run(&mut app, &format!("BEGIN ISOLATION LEVEL {level}; {before}")).await.unwrap();
            assert_eq!(outcome(&mut app, &complete(id, 1)).await, "ok");
            run(&mut app, after).await.unwrap();
            assert_eq!(outcome(&mut app, &complete(id, 1)).await, "MQ104", "{level} {before}");
            run(&mut app, "ROLLBACK; BEGIN").await.unwrap();
            assert_eq!(outcome(&mut app, &complete(id, 1)).await, "ok", "the mark was rolled back");
            run(&mut app, "COMMIT; BEGIN").await.unwrap();
            // A transaction number of its own does not make it the writer.
            run(&mut app, "SELECT pg_current_xact_id()").await.unwrap();
            assert_eq!(outcome(&mut app, &complete(id, 1)).await, "MQ103", "{level} {before}");
            run(&mut app, "ROLLBACK").await.unwrap();
        }
        let id = recorded(&mut worker, "running").await;
        run(&mut app, &format!("BEGIN ISOLATION LEVEL {level}; SAVEPOINT a")).await.unwrap();
        assert_eq!(outcome(&mut app, &complete(id, 1)).await, "ok");
        run(&mut app, "ROLLBACK TO a").await.unwrap();
        assert_eq!(
            outcome(&mut app, &complete(id, 1)).await,
            "ok",
            "{level}: its mark went with the savepoint"
        );
        run(&mut app, "ROLLBACK").await.unwrap();
    }
}

#[tokio::test]
async fn a_zombie_that_completes_late_undoes_its_effects() {
    let context = Context::new().await;
    let (mut zombie, mut worker) = (context.app().await, context.worker().await);
    run(&mut context.migrator().await, "CREATE TABLE effects (id uuid)").await.unwrap();
    for level in LEVELS {
        let id = recorded(&mut worker, "running").await;
        run(&mut zombie, &format!("BEGIN ISOLATION LEVEL {level}")).await.unwrap();
        assert_eq!(begin(&mut zombie, id, 1).await, "run");
        run(&mut zombie, &format!("INSERT INTO effects VALUES ('{id}')")).await.unwrap();
        // Meanwhile the worker gives up on it and starts the next attempt, which succeeds.
        next_attempt(&mut worker, id).await;
        let mut second = context.app().await;
        let effect = format!("INSERT INTO effects VALUES ('{id}')");
        run(&mut second, &format!("BEGIN; {effect}; {}; COMMIT", complete(id, 2))).await.unwrap();
        let late = outcome(&mut zombie, &complete(id, 1)).await;
        // At read committed it sees that the message is done; above, only that its attempt is over.
        let expected = if level == LEVELS[0] { "MQ103" } else { "MQ101" };
        assert_eq!(late, expected, "{level}");
        assert_eq!(
            outcome(&mut zombie, "SELECT 1").await,
            "25P02",
            "the transaction can only be rolled back"
        );
        run(&mut zombie, "ROLLBACK").await.unwrap();
        let effects = format!("SELECT count(*) FROM effects WHERE id = '{id}'");
        assert_eq!(count(&mut zombie, &effects).await, 1, "{level}");
    }
}

#[tokio::test]
async fn two_attempts_that_complete_at_once_leave_one() {
    let context = Context::new().await;
    let (mut first, mut worker) = (context.app().await, context.worker().await);
    for level in LEVELS {
        let id = recorded(&mut worker, "running").await;
        // Both run the same attempt (a request that was sent twice); the first holds the row.
        let mut second = context.app().await;
        run(
            &mut second,
            &format!("BEGIN ISOLATION LEVEL {level}; SELECT inbox_begin('{id}', '{CONSUMER}', 1)"),
        )
        .await
        .unwrap();
        run(&mut first, &format!("BEGIN; {}", complete(id, 1))).await.unwrap();
        let pid = count(&mut second, "SELECT pg_backend_pid()::bigint").await;
        let waiting = tokio::spawn(async move { outcome(&mut second, &complete(id, 1)).await });
        until_blocked(&mut context.superuser().await, pid).await;
        run(&mut first, "COMMIT").await.unwrap();
        let expected = if level == LEVELS[0] { "MQ103" } else { "MQ101" };
        assert_eq!(waiting.await.unwrap(), expected, "{level}");
    }
}

/// Waits until the backend waits for another's lock; the condition itself ends the wait.
async fn until_blocked(observer: &mut PgConnection, pid: i64) {
    let blocked = format!("SELECT count(*) FROM pg_locks WHERE pid = {pid} AND NOT granted");
    let seen = async { while count(observer, &blocked).await == 0 {} };
    tokio::time::timeout(Duration::from_secs(20), seen)
        .await
        .expect("the second completion waits for the first");
}

#[tokio::test]
async fn begin_waits_for_nobody() {
    let context = Context::new().await;
    let (mut first, mut second, mut worker) =
        (context.app().await, context.app().await, context.worker().await);
    let id = recorded(&mut worker, "running").await;
    run(&mut first, &format!("BEGIN; {}", complete(id, 1))).await.unwrap();
    run(&mut second, "SET lock_timeout = '1ms'").await.unwrap();
    assert_eq!(begin(&mut second, id, 1).await, "run", "the first has not committed");
    run(&mut first, "COMMIT").await.unwrap();
    assert_eq!(begin(&mut second, id, 1).await, "done");
}

#[tokio::test]
async fn cleanup_takes_only_what_is_finished_and_old() {
    let context = Context::new().await;
    let (mut owner, mut worker) = (context.migrator().await, context.worker().await);
    for state in ["ready", "running", "waiting", "behind", "dying", "processed", "dead"] {
        recorded(&mut worker, state).await;
    }
    let held = recorded(&mut worker, "dead").await;
    let age = "received_at = now() - interval '100 days'";
    let sql = format!(
        "UPDATE inbox_messages SET {age}, holding = (message_id = '{held}'), \
         processed_at = CASE WHEN state = 'processed' THEN now() - interval '90 days' END, \
         dead_lettered_at = CASE WHEN state = 'dead' THEN now() - interval '90 days' END"
    );
    run(&mut owner, &sql).await.unwrap();
    // Young ones: received long ago and finished lately.
    recorded(&mut worker, "processed").await;
    let lately = recorded(&mut worker, "dead").await;
    run(&mut owner, &format!("UPDATE inbox_messages SET {age} WHERE message_id = '{lately}'")).await.unwrap();
    let mut cleanup = async |sql: &str| -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut worker).await.unwrap()
    };
    assert_eq!(cleanup("SELECT inbox_cleanup('45 days', 1)").await, 1, "the batch binds");
    assert_eq!(cleanup("SELECT inbox_cleanup('45 days', 100)").await, 1);
    assert_eq!(cleanup("SELECT inbox_cleanup('45 days', 100)").await, 0);
    let left = "SELECT string_agg(state, ',' ORDER BY state) FROM inbox_messages";
    assert_eq!(text(&mut owner, left).await, "behind,dead,dead,dying,processed,ready,running,waiting");
    assert_eq!(outcome(&mut worker, "SELECT inbox_cleanup('30 days', 1)").await, "MQ006");
}
