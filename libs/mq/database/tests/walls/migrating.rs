//! The ledger of migrations: newer, changed, side by side, of another context.

use crate::support::{Context, count, in_database, run};
use sea_mq_database::{
    DatabaseError, ErrorKind, MigrateRequest, embedded_migrations, migrate, schema_status,
};

fn request(context: &Context) -> MigrateRequest {
    MigrateRequest { context: context.name().clone(), max_payload_bytes: None, dry_run: false }
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let context = Context::new().await;
    let mut owner = context.migrator().await;
    run(&mut owner, "INSERT INTO mq_migrations VALUES (999, 'from the future', now(), true, '\\x00', 0)")
        .await
        .unwrap();
    let error = migrate(context.migrator_url(), &request(&context)).await.unwrap_err();
    assert!(
        matches!(error, DatabaseError::SchemaNewer { version: 999, known, .. } if known == embedded_migrations().len() as i64)
    );
    assert!(error.to_string().contains("newer"), "{error}");
    let status = schema_status(&mut owner).await.unwrap();
    assert_eq!(status.newer, [999]);
    assert!(!status.is_current());
}

#[tokio::test]
async fn a_changed_migration_is_refused_by_name() {
    let context = Context::new().await;
    let mut owner = context.migrator().await;
    run(&mut owner, "UPDATE mq_migrations SET checksum = '\\x00' WHERE version = 2; DELETE FROM mq_migrations WHERE version = 3").await.unwrap();
    let error = migrate(context.migrator_url(), &request(&context)).await.unwrap_err();
    assert!(
        matches!(&error, DatabaseError::MigrationChanged { version: 2, name, .. } if name == "outbox"),
        "{error}"
    );
    assert_eq!(count(&mut owner, "SELECT count(*) FROM mq_migrations").await, 2, "nothing was applied");
}

/// Takes the schema away, as if only the walls had been built.
async fn without_schema(context: &Context) {
    let mut owner = context.migrator().await;
    let sql = "DROP TABLE mq_migrations, outbox_events, inbox_messages, inbox_streams, mq_settings, mq_leases, mq_positions, mq_instances; \
               DROP SEQUENCE inbox_pos; DROP FUNCTION mq_lane_of, mq_lane, mq_check_header, outbox_events_before_insert, \
               outbox_emit, outbox_cleanup, inbox_begin, inbox_complete, inbox_cleanup";
    run(&mut owner, sql).await.unwrap();
}

#[tokio::test]
async fn side_by_side_each_migration_is_applied_once() {
    let context = Context::new().await;
    without_schema(&context).await;
    let (url, request) = (context.migrator_url(), request(&context));
    let done = tokio::join!(migrate(url, &request), migrate(url, &request), migrate(url, &request));
    let applied: usize = [done.0, done.1, done.2].into_iter().map(|r| r.unwrap().applied.len()).sum();
    assert_eq!(applied, embedded_migrations().len());
    // Whoever migrates later finds the same walls as after provisioning.
    let mut app = context.app().await;
    assert_eq!(crate::support::outcome(&mut app, "SELECT * FROM inbox_messages").await, "42501");
    assert_eq!(crate::support::outcome(&mut app, "DELETE FROM mq_migrations").await, "42501");
}

#[tokio::test]
async fn a_dry_run_lists_and_changes_nothing() {
    let context = Context::new().await;
    without_schema(&context).await;
    let dry = MigrateRequest { dry_run: true, ..request(&context) };
    let report = migrate(context.migrator_url(), &dry).await.unwrap();
    assert_eq!(report.applied.len(), embedded_migrations().len());
    let mut owner = context.migrator().await;
    assert_eq!(count(&mut owner, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").await, 0);
}

#[tokio::test]
async fn a_failing_migration_is_rolled_back_and_named() {
    let context = Context::new().await;
    without_schema(&context).await;
    let mut owner = context.migrator().await;
    run(&mut owner, "CREATE TABLE outbox_events (mine int)").await.unwrap();
    let error = migrate(context.migrator_url(), &request(&context)).await.unwrap_err();
    assert!(matches!(&error, DatabaseError::MigrationFailed { version: 2, .. }), "{error}");
    let status = schema_status(&mut owner).await.unwrap();
    assert_eq!(status.pending.iter().map(|m| m.version).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(count(&mut owner, "SELECT count(*) FROM pg_proc WHERE proname = 'mq_check_header'").await, 0);
    run(&mut owner, "DROP TABLE outbox_events").await.unwrap();
    assert_eq!(migrate(context.migrator_url(), &request(&context)).await.unwrap().applied.len(), 2);
}

#[tokio::test]
async fn the_wrong_role_or_context_is_refused() {
    let (one, other) = (Context::new().await, Context::new().await);
    let error = migrate(&one.provisioned.urls.app, &request(&one)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotPermitted, "{error}");
    // Also as a superuser, who may act as either owner.
    let superuser = in_database(&one.admin_url, &one.provisioned.names.database);
    for url in [one.migrator_url(), &superuser] {
        let error = migrate(url, &request(&other)).await.unwrap_err();
        assert!(
            matches!(&error, DatabaseError::WrongContext { found, .. } if found == one.name().as_str()),
            "{error}"
        );
    }
    let error = migrate(&one.admin_url, &request(&one)).await.unwrap_err();
    assert!(matches!(error, DatabaseError::NotProvisioned { .. }), "{error}");
}

#[tokio::test]
async fn every_role_may_ask_where_the_schema_stands() {
    let context = Context::new().await;
    for mut connection in [context.app().await, context.worker().await, context.migrator().await] {
        let status = schema_status(&mut connection).await.unwrap();
        assert!(status.is_current());
        assert_eq!(status.context.as_deref(), Some(context.name().as_str()));
    }
}
