//! Provisioning itself: again, side by side, on a dry run, with changed passwords.

use crate::support::{Context, admin_url, connection, count, request, text, unique_name};
use sea_mq_database::{DatabaseError, ErrorKind, Password, embedded_migrations, plan_provision, provision};
use sqlx::{Connection, PgConnection};

#[tokio::test]
async fn twice_is_once_and_changes_passwords() {
    let context = Context::new().await;
    assert!(context.provisioned.created);
    assert_eq!(context.provisioned.migrations.applied.len(), embedded_migrations().len());

    let mut again = request(context.name());
    again.app_password = Password::new("test", "another").unwrap();
    again.migrator_password = None;
    again.max_payload_bytes = Some(5000);
    let second = provision(&context.admin_url, &again).await.unwrap();
    assert!(!second.created);
    assert!(second.migrations.applied.is_empty());
    assert!(PgConnection::connect(&context.provisioned.urls.app).await.is_err(), "the old password is gone");
    let mut app = connection(&second.urls.app).await;
    assert_eq!(text(&mut app, "SELECT max_payload_bytes::text FROM mq_settings").await, "5000");
    // Left out, the migrator keeps the log-in that it had.
    context.migrator().await;
}

#[tokio::test]
async fn many_contexts_at_once() {
    let url = admin_url().await;
    let (a, b, c) = (request(&unique_name()), request(&unique_name()), request(&unique_name()));
    let done =
        tokio::join!(provision(&url, &a), provision(&url, &b), provision(&url, &c), provision(&url, &a));
    for result in [done.0, done.1, done.2, done.3] {
        connection(&result.unwrap().urls.worker).await;
    }
}

#[tokio::test]
async fn passwords_are_stored_as_verifiers_and_never_shown() {
    let context = Context::new().await;
    let mut admin = context.superuser().await;
    let app = &context.provisioned.names.app;
    let stored =
        text(&mut admin, &format!("SELECT rolpassword FROM pg_authid WHERE rolname = '{app}'")).await;
    assert!(stored.starts_with("SCRAM-SHA-256$4096:"), "{stored}");
    let shown = format!("{:?} {:?}", context.provisioned, request(context.name()));
    assert!(!shown.contains("pass/word") && !shown.contains("pass%2Fword"), "{shown}");
}

#[tokio::test]
async fn dry_run_shows_everything_and_changes_nothing() {
    let url = admin_url().await;
    let request = request(&unique_name());
    let lines = plan_provision(&url, &request).await.unwrap().join("\n");
    for part in ["CREATE DATABASE", "PASSWORD '***'", "ALTER SCHEMA public", "-- migration 3 (inbox)"] {
        assert!(lines.contains(part), "{part} in {lines}");
    }
    assert!(!lines.contains("SCRAM") && !lines.contains("pass/word"), "{lines}");
    let mut admin = connection(&url).await;
    let roles = format!("SELECT count(*) FROM pg_roles WHERE rolname LIKE '{}%'", request.context);
    assert_eq!(count(&mut admin, &roles).await, 0);

    provision(&url, &request).await.unwrap();
    let lines = plan_provision(&url, &request).await.unwrap().join("\n");
    assert!(
        !lines.contains("CREATE ROLE")
            && !lines.contains("CREATE DATABASE")
            && !lines.contains("-- migration"),
        "{lines}"
    );
}

#[tokio::test]
async fn a_membership_that_reaches_out_is_refused_before_any_change() {
    let (one, other) = (Context::new().await, Context::new().await);
    let (app, owner) = (&one.provisioned.names.app, &other.provisioned.names.owner);
    let mut admin = connection(&one.admin_url).await;
    crate::support::run(&mut admin, &format!("GRANT {owner} TO {app}")).await.unwrap();
    let error = provision(&one.admin_url, &request(one.name())).await.unwrap_err();
    assert!(
        matches!(&error, DatabaseError::ForeignMembership { member, group } if member == app && group == owner)
    );
    assert_eq!(error.kind(), ErrorKind::Failed);
}

#[tokio::test]
async fn a_wall_torn_down_is_built_again() {
    let (one, other) = (Context::new().await, Context::new().await);
    let mut admin = connection(&one.admin_url).await;
    let (database, intruder) = (&one.provisioned.names.database, &other.provisioned.names.app);
    for tear in [
        format!("GRANT CONNECT ON DATABASE {database} TO PUBLIC"),
        format!("GRANT CONNECT ON DATABASE {database} TO {intruder}"),
        format!("ALTER ROLE {} CREATEDB", one.provisioned.names.worker),
    ] {
        crate::support::run(&mut admin, &tear).await.unwrap();
    }
    provision(&one.admin_url, &request(one.name())).await.unwrap();
    let may = format!(
        "SELECT has_database_privilege('{intruder}', '{database}', 'CONNECT')::text || rolcreatedb::text \
         FROM pg_roles WHERE rolname = '{}'",
        one.provisioned.names.worker
    );
    assert_eq!(text(&mut admin, &may).await, "falsefalse");
}

#[tokio::test]
async fn the_workers_statements_are_not_compiled_before_they_run() {
    let context = Context::new().await;
    let mut worker = context.worker().await;
    assert_eq!(text(&mut worker, "SHOW jit").await, "off");
    // A scan that the role's settings price out of reach, and that there is no way around.
    let plan: Vec<String> = sqlx::query_scalar("EXPLAIN ANALYZE SELECT count(*) FROM mq_instances")
        .fetch_all(&mut worker)
        .await
        .unwrap();
    assert!(!plan.iter().any(|line| line.contains("JIT")), "{}", plan.join("\n"));
}
