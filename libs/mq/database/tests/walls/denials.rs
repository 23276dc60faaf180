//! What each role must not do, and a little of what it must: one table per wall.

use crate::support::{Context, code, connection, in_database, outcome, run};
use sqlx::{Connection, PgConnection};

const DENIED: &str = "42501";

/// An application table with a function and a sequence, made as an application's migrations would.
async fn application_table(context: &Context) {
    let mut migrator = context.migrator().await;
    let sql = "CREATE TABLE cases (id bigserial PRIMARY KEY, title text); \
               CREATE FUNCTION open_case(t text) RETURNS bigint LANGUAGE sql SECURITY DEFINER \
               AS 'INSERT INTO cases (title) VALUES (t) RETURNING id'";
    run(&mut migrator, sql).await.unwrap();
}

#[tokio::test]
async fn nobody_enters_another_database() {
    let (one, other) = (Context::new().await, Context::new().await);
    for (url, role) in [
        (&one.provisioned.urls.app, "app"),
        (&one.provisioned.urls.worker, "worker"),
        (one.provisioned.urls.migrator.as_ref().unwrap(), "migrator"),
    ] {
        for database in [&other.provisioned.names.database, "postgres", "template1"] {
            let refused = PgConnection::connect(&in_database(url, database)).await;
            assert_eq!(code(refused), DENIED, "{role} into {database}");
        }
        connection(url).await;
    }
}

#[tokio::test]
async fn the_owner_cannot_log_in() {
    let context = Context::new().await;
    let url = context.provisioned.urls.app.replace("_app:", "_owner:");
    // 28P01: without a password no log-in gets as far as being told why.
    assert_eq!(code(PgConnection::connect(&url).await), "28P01");
}

#[tokio::test]
async fn the_application_is_kept_from_the_machinery() {
    let context = Context::new().await;
    application_table(&context).await;
    let mut app = context.app().await;
    let event = context.subject("case_created.v1");
    let insert = |column: &str, value: &str| {
        format!(
            "INSERT INTO outbox_events (id, subject, payload, {column}) VALUES (gen_random_uuid(), '{event}', '{{}}', {value})"
        )
    };
    for sql in [
        "UPDATE outbox_events SET payload = '{}'",
        "DELETE FROM outbox_events",
        "TRUNCATE outbox_events",
        &insert("state", "'published'"),
        &insert("lane", "1"),
        &insert("seq", "1"),
        &insert("tx", "'1'"),
        &insert("published_at", "now()"),
        &insert("recorded_at", "now()"),
        "SELECT nextval('outbox_events_seq_seq')",
        "SELECT outbox_cleanup('14 days', 1)",
        "SELECT inbox_cleanup('45 days', 1)",
        "SELECT * FROM inbox_messages",
        "INSERT INTO inbox_messages (message_id) VALUES (gen_random_uuid())",
        "UPDATE inbox_messages SET attempts = 0",
        "DELETE FROM inbox_messages",
        "SELECT * FROM inbox_streams",
        "SELECT nextval('inbox_pos')",
        "SELECT * FROM mq_instances",
        "SELECT * FROM mq_leases",
        "SELECT * FROM mq_positions",
        "UPDATE mq_settings SET max_payload_bytes = 1",
        "DELETE FROM mq_migrations",
        "INSERT INTO mq_migrations SELECT * FROM mq_migrations",
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "ALTER TABLE cases ADD COLUMN extra int",
        "DROP TABLE cases",
        "CREATE INDEX ON cases (title)",
    ] {
        let denied = outcome(&mut app, sql).await;
        // Changing somebody else's table is refused as such: 42501 as well.
        assert_eq!(denied, DENIED, "{sql}");
    }
    for sql in [
        "INSERT INTO cases (title) VALUES ('x')",
        "UPDATE cases SET title = 'y'",
        "SELECT open_case('z')",
        "DELETE FROM cases",
        "SELECT * FROM outbox_events",
        "SELECT version FROM mq_migrations",
        "SELECT inbox_begin(gen_random_uuid(), 'c', 1)",
        &format!("SELECT outbox_emit('{event}', '{{}}')"),
    ] {
        assert_eq!(outcome(&mut app, sql).await, "ok", "{sql}");
    }
}

#[tokio::test]
async fn the_worker_is_kept_to_outbox_and_inbox() {
    let context = Context::new().await;
    application_table(&context).await;
    let mut worker = context.worker().await;
    let event = context.subject("case_created.v1");
    for sql in [
        &format!(
            "INSERT INTO outbox_events (id, subject, payload) VALUES (gen_random_uuid(), '{event}', '{{}}')"
        ),
        &format!("SELECT outbox_emit('{event}', '{{}}')"),
        "DELETE FROM outbox_events",
        "UPDATE outbox_events SET payload = '{}'",
        "UPDATE outbox_events SET subject = 'x'",
        "UPDATE outbox_events SET lane = 1",
        "DELETE FROM inbox_messages",
        "SELECT inbox_complete(gen_random_uuid(), 'c', 1)",
        "SELECT * FROM cases",
        "INSERT INTO cases (title) VALUES ('x')",
        "SELECT open_case('z')",
        "SELECT nextval('cases_id_seq')",
        "UPDATE mq_settings SET max_payload_bytes = 1",
        "DELETE FROM mq_migrations",
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE SCHEMA mine",
    ] {
        assert_eq!(outcome(&mut worker, sql).await, DENIED, "{sql}");
    }
    for sql in [
        "SELECT * FROM outbox_events FOR UPDATE SKIP LOCKED",
        "UPDATE outbox_events SET publish_attempts = 1",
        "SELECT * FROM inbox_messages",
        "SELECT nextval('inbox_pos')",
        "SELECT mq_lane('x')",
        "SELECT outbox_cleanup('14 days', 10)",
        "SELECT inbox_cleanup('45 days', 10)",
        "SELECT version FROM mq_migrations",
    ] {
        assert_eq!(outcome(&mut worker, sql).await, "ok", "{sql}");
    }
}

#[tokio::test]
async fn the_migrator_acts_as_owner_and_nothing_else() {
    let context = Context::new().await;
    let mut migrator = context.migrator().await;
    let owner = &context.provisioned.names.owner;
    assert_eq!(crate::support::text(&mut migrator, "SELECT current_user::text").await, *owner);
    application_table(&context).await;
    let tables = format!(
        "SELECT tableowner::text FROM pg_tables WHERE tablename = 'cases' AND tableowner = '{owner}'"
    );
    assert_eq!(crate::support::text(&mut migrator, &tables).await, *owner);
    run(&mut migrator, "RESET SESSION AUTHORIZATION; SET ROLE NONE").await.unwrap();
    for sql in ["CREATE TABLE mine (id int)", "SELECT * FROM inbox_messages", "SELECT * FROM cases"] {
        assert_eq!(outcome(&mut migrator, sql).await, DENIED, "{sql}");
    }
}

#[tokio::test]
async fn a_stranger_who_gets_in_finds_nothing() {
    let context = Context::new().await;
    application_table(&context).await;
    let mut admin = context.superuser().await;
    let stranger = format!("{}_stranger", context.name());
    run(&mut admin, &format!("CREATE ROLE {stranger}; SET ROLE {stranger}")).await.unwrap();
    for sql in [
        "SELECT * FROM public.outbox_events",
        "SELECT * FROM public.inbox_messages",
        "SELECT * FROM public.mq_settings",
        "SELECT * FROM public.mq_migrations",
        "SELECT * FROM public.cases",
        "SELECT public.open_case('x')",
        "SELECT public.inbox_begin(gen_random_uuid(), 'c', 1)",
        "SELECT public.outbox_cleanup('14 days', 1)",
        "SELECT public.mq_lane('x')",
        "CREATE TABLE public.mine (id int)",
    ] {
        assert_eq!(outcome(&mut admin, sql).await, DENIED, "{sql}");
    }
}
