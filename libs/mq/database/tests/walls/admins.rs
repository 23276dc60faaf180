//! Admins that are not superusers, and connections that fail.

use crate::support::{Context, admin_url, connection, request, run, unique_name};
use sea_mq_database::{ConnectOptions, DatabaseError, ErrorKind, connect, plan_provision, provision};
use sea_mq_stack::{Binaries, Postgres, PostgresOptions, StateDir};

/// A role `name` with `attributes` that can log in, and its URL.
async fn admin(superuser_url: &str, name: &str, attributes: &str) -> String {
    let mut superuser = connection(superuser_url).await;
    run(&mut superuser, &format!("CREATE ROLE {name} LOGIN PASSWORD 'pw' {attributes}; GRANT CONNECT ON DATABASE postgres TO {name}"))
        .await
        .unwrap();
    let (_, server) = superuser_url.split_once('@').unwrap();
    format!("postgres://{name}:pw@{server}")
}

/// A server of its own: the test needs its databases open.
#[tokio::test]
async fn an_admin_without_superuser_provisions_once_the_walls_can_stand() {
    let options = PostgresOptions { fsync: false, ..PostgresOptions::default() };
    let mut server =
        Postgres::start(&Binaries::find().unwrap(), &StateDir::temporary().unwrap(), options).await.unwrap();
    let superuser = server.admin_url();
    let platform = admin(&superuser, "platform", "CREATEROLE CREATEDB").await;

    // `postgres` stands open, and this admin cannot close it: refused, with the cure.
    let wanted = request(&unique_name());
    let error = provision(&platform, &wanted).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotPermitted, "{error}");
    let DatabaseError::NotPermitted { detail, .. } = &error else { panic!("{error}") };
    let (_, cure) = detail.split_once("As a superuser: ").unwrap();
    run(&mut connection(&superuser).await, cure).await.unwrap();

    let first = provision(&platform, &wanted).await.unwrap();
    connection(&first.urls.worker).await;
    assert!(!provision(&platform, &wanted).await.unwrap().created, "and again");
    plan_provision(&platform, &wanted).await.unwrap();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn an_admin_without_the_rights_is_told_which() {
    let superuser = admin_url().await;
    // Another test's context closes the databases of this server first.
    Context::new().await;
    for (attributes, missing) in [("CREATEDB", "CREATEROLE"), ("CREATEROLE", "CREATEDB")] {
        let url = admin(&superuser, &format!("{}_adm", unique_name()), attributes).await;
        let error = provision(&url, &request(&unique_name())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotPermitted, "{error}");
        assert!(error.to_string().contains(missing), "{error}");
    }
}

#[tokio::test]
async fn a_failed_connection_says_why() {
    let context = Context::new().await;
    let good = &context.provisioned.urls.worker;
    let port = sea_mq_stack::free_port().unwrap();
    let (_, server) = context.admin_url.split_once('@').unwrap();
    let host = server.split_once('/').unwrap().0;
    let elsewhere = crate::support::in_database(good, "nowhere_db");
    let plain_tls = good.replace("sslmode=prefer", "sslmode=require");
    for (url, kind, part) in [
        (
            format!("postgres://u:p@127.0.0.1:{port}/d"),
            ErrorKind::Unreachable,
            "cannot reach Postgres at u@127.0.0.1:",
        ),
        ("postgres://u:p@host.invalid/d".to_owned(), ErrorKind::Unreachable, "host.invalid:5432"),
        (
            format!("postgres://{}:wrong@{host}/x", context.provisioned.names.worker),
            ErrorKind::NotPermitted,
            "refuses the log-in",
        ),
        (elsewhere, ErrorKind::Unreachable, "has no database `nowhere_db`"),
        (crate::support::in_database(good, "postgres"), ErrorKind::NotPermitted, "not permitted to connect"),
        (plain_tls, ErrorKind::Unreachable, "no TLS connection"),
        ("postgres://u:p@h:port/d".to_owned(), ErrorKind::Configuration, "unusable"),
        ("http://h".to_owned(), ErrorKind::Configuration, "postgres://"),
    ] {
        let error = connect(&url, &ConnectOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    let pool = connect(good, &ConnectOptions::default()).await.unwrap();
    assert_eq!(sqlx::query_scalar::<_, i32>("SELECT 1").fetch_one(&pool).await.unwrap(), 1);
}
