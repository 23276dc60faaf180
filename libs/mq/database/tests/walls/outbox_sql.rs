//! The outbox as an application meets it: defaults, refusals, `outbox_emit`, cleanup.

use crate::support::{Context, count, outcome, run, text};
use sqlx::{AssertSqlSafe, PgConnection};

fn minimal(subject: &str) -> String {
    format!(
        "INSERT INTO outbox_events (id, subject, payload, occurred_at) VALUES (gen_random_uuid(), '{subject}', '{{\"a\":1}}', now())"
    )
}

#[tokio::test]
async fn the_minimal_insert_fills_every_default() {
    let context = Context::new().await;
    let mut app = context.app().await;
    assert_eq!(outcome(&mut app, &minimal(&context.subject("case_created.v12"))).await, "ok");
    let row = text(
        &mut app,
        "SELECT concat_ws(' ', event_type, event_version, correlation_id = id, causation_id IS NULL, state, \
                          publish_attempts, published_at IS NULL, lane BETWEEN 0 AND 31, seq, lane = mq_lane(id::text)) \
         FROM outbox_events",
    )
    .await;
    assert_eq!(row, "case_created 12 t t ready 0 t t 1 t");
}

#[tokio::test]
async fn one_aggregate_has_one_lane() {
    let context = Context::new().await;
    let mut app = context.app().await;
    let event = context.subject("case_created.v1");
    for _ in 0..5 {
        let sql = format!("SELECT outbox_emit('{event}', '{{}}', 'case', '42')");
        assert_eq!(outcome(&mut app, &sql).await, "ok");
    }
    assert_eq!(count(&mut app, "SELECT count(DISTINCT lane) FROM outbox_events").await, 1);
    assert_eq!(
        text(&mut app, "SELECT (min(lane) = mq_lane('case/42'))::text FROM outbox_events").await,
        "true"
    );
}

#[tokio::test]
async fn refusals_happen_in_the_applications_transaction() {
    let context = Context::new().await;
    let mut app = context.app().await;
    let good = context.subject("case_created.v1");
    let with = |columns: &str, values: &str| {
        format!(
            "INSERT INTO outbox_events (id, subject, payload, {columns}) VALUES (gen_random_uuid(), '{good}', '{{}}', {values})"
        )
    };
    let too_long = format!("x{}", "y".repeat(500));
    for (sql, code) in [
        (minimal("nonsense"), "MQ001"),
        (minimal(&context.subject("CaseCreated.v1")), "MQ001"),
        (minimal(&context.subject("case_created")), "MQ001"),
        (minimal(&context.subject("case_created.v0")), "MQ001"),
        (minimal(&context.subject("case_created.v01")), "MQ001"),
        (minimal(&context.subject("case.created.v1")), "MQ001"),
        (minimal(&context.subject("case_created.v1\n")), "MQ001"),
        (minimal(&context.subject(&format!("{}.v1", "a".repeat(300)))), "MQ001"),
        (minimal("somebody_else.event.case_created.v1"), "MQ002"),
        (with("aggregate_id", "E'a\\r\\nNats-Msg-Id: x'"), "MQ003"),
        (with("aggregate_id", "''"), "MQ003"),
        (with("aggregate_id", &format!("'{too_long}'")), "MQ003"),
        (with("aggregate_type", "E'tab\\t'"), "MQ003"),
        (with("aggregate_type", "' padded'"), "MQ003"),
        (with("aggregate_type", "E'del\\x7f'"), "MQ003"),
        (with("trace_id", "E'\\x01'"), "MQ003"),
        (with("event_type", "'another'"), "MQ005"),
        (with("event_version", "2"), "MQ005"),
        (with("correlation_id", "'not-a-uuid'"), "22P02"),
        (
            format!(
                "INSERT INTO outbox_events (id, subject, payload) VALUES (gen_random_uuid(), '{good}', to_jsonb(repeat('x', 1040000)))"
            ),
            "MQ004",
        ),
        (
            format!(
                "INSERT INTO outbox_events (id, subject, payload) VALUES (gen_random_uuid(), '{good}', to_jsonb(repeat('x', 1030000)))"
            ),
            "ok",
        ),
        (
            format!(
                "INSERT INTO outbox_events (id, subject, payload) VALUES (gen_random_uuid(), '{good}', NULL)"
            ),
            "23502",
        ),
        (format!("INSERT INTO outbox_events (subject, payload) VALUES ('{good}', '{{}}')"), "23502"),
        ("INSERT INTO outbox_events (id, payload) VALUES (gen_random_uuid(), '{}')".to_owned(), "23502"),
        (with("event_type, event_version", "'case_created', 1"), "ok"),
        (with("aggregate_type, aggregate_id", "'fälle', 'ümlaut 7'"), "ok"),
    ] {
        let start = sql.chars().take(200).collect::<String>();
        assert_eq!(outcome(&mut app, &sql).await, code, "{start}");
    }
    let refused = run(&mut app, &minimal("somebody_else.event.case_created.v1")).await.unwrap_err();
    assert!(refused.to_string().contains("belongs to context \"somebody_else\""), "{refused}");
}

#[tokio::test]
async fn a_scheduled_event_waits_for_its_time() {
    let context = Context::new().await;
    let mut app = context.app().await;
    let event = context.subject("reminder.v1");
    for (when, state) in [
        ("now() + interval '1 hour'", "scheduled"),
        ("now() - interval '1 hour'", "ready"),
        ("NULL", "ready"),
    ] {
        run(&mut app, &format!("SELECT outbox_emit('{event}', '{{}}', publish_after => {when})"))
            .await
            .unwrap();
        let last = text(&mut app, "SELECT state FROM outbox_events ORDER BY seq DESC LIMIT 1").await;
        assert_eq!(last, state, "{when}");
    }
}

#[tokio::test]
async fn emit_takes_every_field_and_the_callers_transaction() {
    let context = Context::new().await;
    let mut app = context.app().await;
    let event = context.subject("case_created.v1");
    let id = "7b4d1f1e-0000-4000-8000-000000000001";
    let sql = format!(
        "SELECT outbox_emit(subject => '{event}', payload => '{{}}', aggregate_type => 'case', aggregate_id => '1', \
         correlation_id => '7b4d1f1e-0000-4000-8000-000000000002', causation_id => '7b4d1f1e-0000-4000-8000-000000000003', \
         occurred_at => '2030-01-02T03:04:05Z', trace_id => '00-ab-cd-01', id => '{id}')::text"
    );
    assert_eq!(text(&mut app, &sql).await, id);
    assert_eq!(outcome(&mut app, &sql).await, "23505", "an id is used once");
    let row = "SELECT concat_ws(' ', aggregate_type, aggregate_id, causation_id, trace_id, occurred_at AT TIME ZONE 'UTC') FROM outbox_events";
    assert_eq!(
        text(&mut app, row).await,
        "case 1 7b4d1f1e-0000-4000-8000-000000000003 00-ab-cd-01 2030-01-02 03:04:05"
    );
    run(&mut app, &format!("BEGIN; SELECT outbox_emit('{event}', '{{}}'); ROLLBACK")).await.unwrap();
    assert_eq!(count(&mut app, "SELECT count(*) FROM outbox_events").await, 1);
}

/// Inserts `count` rows and lets the owner age them into `state`.
async fn aged(app: &mut PgConnection, owner: &mut PgConnection, event: &str, state: &str, days: i32) {
    run(app, &minimal(event)).await.unwrap();
    let published = format!("now() - interval '{days} days'");
    let set = match state {
        "published" => format!("published_at = {published}, stream = 's', stream_seq = 1"),
        "parked" => "publish_error = 'refused'".to_owned(),
        "scheduled" => format!("publish_after = {published}"),
        _ => "publish_attempts = 1".to_owned(),
    };
    let sql = format!(
        "UPDATE outbox_events SET state = '{state}', recorded_at = {published}, occurred_at = {published}, {set} \
         WHERE seq = (SELECT max(seq) FROM outbox_events)"
    );
    assert_eq!(run(owner, &sql).await.unwrap(), 1);
}

#[tokio::test]
async fn cleanup_takes_only_what_is_published_and_old() {
    let context = Context::new().await;
    let (mut app, mut owner, mut worker) =
        (context.app().await, context.migrator().await, context.worker().await);
    let event = context.subject("case_created.v1");
    for state in ["ready", "scheduled", "parked", "held", "published"] {
        aged(&mut app, &mut owner, &event, state, 100).await;
    }
    aged(&mut app, &mut owner, &event, "published", 100).await;
    aged(&mut app, &mut owner, &event, "published", 3).await;
    let mut cleanup = async |sql: &str| -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut worker).await.unwrap()
    };
    assert_eq!(cleanup("SELECT outbox_cleanup('14 days', 1)").await, 1, "the batch binds");
    assert_eq!(cleanup("SELECT outbox_cleanup('14 days', 100)").await, 1);
    assert_eq!(cleanup("SELECT outbox_cleanup('14 days', 100)").await, 0);
    let left = "SELECT string_agg(state, ',' ORDER BY state) FROM outbox_events";
    assert_eq!(text(&mut app, left).await, "held,parked,published,ready,scheduled");
    for refused in ["SELECT outbox_cleanup('1 hour', 1)", "SELECT outbox_cleanup('-1 days', 1)"] {
        assert_eq!(outcome(&mut worker, refused).await, "MQ006", "{refused}");
    }
}
