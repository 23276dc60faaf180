use sea_mq_stack::shared_postgres;
use vibespro_adapters::{AdapterError, migrate};
use vibespro_app::AppError;

use crate::support::{Context, execute, refusal};

const NOT_PERMITTED: &str = "42501";

#[tokio::test]
async fn migrating_is_repeatable_and_readiness_waits_for_it() {
    let context = Context::provisioned_only().await;
    let Err(AppError::Store(missing)) = context.vibespro.ready().await else {
        panic!("ready without tables")
    };
    assert!(missing.to_string().contains("vibespro migrate"), "{missing}");

    let first = migrate(context.migrator_url()).await.unwrap();
    assert_eq!((first.applied.len(), first.before), (1, 0));
    context.vibespro.ready().await.unwrap();
    let second = migrate(context.migrator_url()).await.unwrap();
    assert_eq!((second.applied.len(), second.before), (0, 1));

    execute(&mut context.superuser().await, "UPDATE vibespro_migrations SET checksum = '\\x00'").await;
    let altered = migrate(context.migrator_url()).await.unwrap_err();
    assert!(matches!(altered, AdapterError::Migration { .. }), "{altered}");
}

#[tokio::test]
async fn several_may_migrate_at_once() {
    let context = Context::provisioned_only().await;
    let reports = futures::future::join_all((0..4).map(|_| migrate(context.migrator_url()))).await;
    let applied: usize = reports.into_iter().map(|report| report.unwrap().applied.len()).sum();
    assert_eq!(applied, 1);
}

#[tokio::test]
async fn a_database_of_no_context_is_refused() {
    let url = shared_postgres().await.unwrap().admin_url();
    let refused = migrate(&url).await.unwrap_err();
    assert!(matches!(refused, AdapterError::NotProvisioned { .. }), "{refused}");
    for bad in ["", "mysql://x", "postgres://h:port/x"] {
        assert!(matches!(migrate(bad).await.unwrap_err(), AdapterError::BadUrl { .. }), "{bad}");
    }
}

#[tokio::test]
async fn the_application_has_the_data_and_not_the_structure() {
    let context = Context::new().await;
    let mut app = context.app().await;
    for sql in [
        "DROP TABLE vibes",
        "CREATE TABLE more ()",
        "UPDATE vibespro_migrations SET success = false",
        "DELETE FROM vibespro_migrations",
    ] {
        assert_eq!(refusal(&mut app, sql).await, NOT_PERMITTED, "{sql}");
    }
    let mut worker = context.worker().await;
    for table in ["users", "vibes", "idempotency_keys"] {
        let sql = format!("SELECT FROM {table}");
        assert_eq!(refusal(&mut worker, &sql).await, NOT_PERMITTED, "{sql}");
    }
}

#[tokio::test]
async fn the_tables_refuse_what_the_domain_would() {
    let context = Context::new().await;
    let vibe_id = context.create("Calm").await.vibe_id;
    let mut app = context.app().await;
    for change in [
        "title = ''",
        "title = repeat('x', 121)",
        "description = repeat('x', 2001)",
        "revision = 0",
        "score = 101",
        "decision_outcome = 'maybe', decided_at = now()",
        "decision_outcome = 'review'",
        "decision_reason = 'none was made'",
    ] {
        let sql = format!("UPDATE vibes SET {change} WHERE vibe_id = '{vibe_id}'");
        assert_eq!(refusal(&mut app, &sql).await, "23514", "{sql}");
    }
}
