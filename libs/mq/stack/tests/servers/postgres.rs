//! Postgres: started, stopped, killed, frozen, restarted.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use sea_mq_stack::{Binaries, Postgres, PostgresOptions, StackError, StateDir, shared_postgres};
use sqlx::{Connection, Executor, PgConnection};

use super::proc;

async fn start(state: &StateDir) -> Postgres {
    let binaries = Binaries::find().unwrap();
    Postgres::start(&binaries, state, PostgresOptions::default()).await.unwrap()
}

async fn connect(postgres: &Postgres) -> PgConnection {
    PgConnection::connect(&postgres.admin_url()).await.unwrap()
}

async fn count(postgres: &Postgres) -> i64 {
    let mut connection = connect(postgres).await;
    sqlx::query_scalar("SELECT count(*) FROM kept").fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn what_was_committed_survives_a_kill_and_a_stop() {
    let state = StateDir::temporary().unwrap();
    let mut postgres = start(&state).await;
    let port = postgres.port();
    let mut connection = connect(&postgres).await;
    connection.execute("CREATE TABLE kept AS SELECT 1 AS one").await.unwrap();
    let family = proc::tree(postgres.process().pid());
    assert!(family.len() > 3, "a postmaster has children: {family:?}");

    postgres.kill().await;
    assert!(family.iter().all(|pid| !proc::alive(*pid)), "{family:?}");
    assert!(connection.execute("SELECT 1").await.is_err());
    let refused = PgConnection::connect(&postgres.admin_url()).await;
    assert!(refused.is_err());

    postgres.restart().await.unwrap();
    assert_eq!(postgres.port(), port);
    assert_eq!(count(&postgres).await, 1);

    postgres.stop().await.unwrap();
    assert!(!postgres.process().is_running());
    assert!(matches!(postgres.freeze().await, Err(StackError::NotRunning { .. })));
    postgres.restart().await.unwrap();
    assert_eq!(count(&postgres).await, 1);
}

#[tokio::test]
async fn a_frozen_server_answers_nobody_until_it_is_thawed() {
    let state = StateDir::temporary().unwrap();
    let mut postgres = start(&state).await;
    let mut connection = connect(&postgres).await;

    postgres.freeze().await.unwrap();
    let mut answer = std::pin::pin!(connection.execute("SELECT 1"));
    let early = tokio::time::timeout(Duration::from_millis(200), &mut answer).await;
    assert!(early.is_err(), "a frozen server answered");
    postgres.thaw().await.unwrap();
    answer.await.unwrap();
}

#[tokio::test]
async fn a_frozen_server_can_be_killed() {
    let state = StateDir::temporary().unwrap();
    let mut postgres = start(&state).await;
    let family = proc::tree(postgres.process().pid());
    postgres.freeze().await.unwrap();
    postgres.kill().await;
    assert!(family.iter().all(|pid| !proc::alive(*pid)), "{family:?}");
}

#[tokio::test]
async fn it_runs_below_a_folder_that_only_its_owner_may_enter() {
    let closed = tempfile::tempdir().unwrap();
    let closed_mode = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(closed.path(), closed_mode.clone()).unwrap();
    let state = StateDir::kept(closed.path().join("deep/state")).unwrap();
    let postgres = start(&state).await;
    connect(&postgres).await.execute("SELECT 1").await.unwrap();
    let mode = std::fs::metadata(closed.path()).unwrap().permissions();
    assert_eq!(mode.mode() & 0o7777, closed_mode.mode());
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let postgres = shared_postgres().await.unwrap();
    let url = postgres.url("postgres", "postgres", "guess");
    let error = PgConnection::connect(&url).await.unwrap_err().to_string();
    assert!(error.contains("password authentication failed"), "{error}");
}

#[tokio::test]
async fn durability_is_on_unless_switched_off() {
    let state = StateDir::temporary().unwrap();
    let postgres = start(&state).await;
    let shared = shared_postgres().await.unwrap();
    for (server, expected) in [(&postgres, "on"), (shared, "off")] {
        let mut connection = connect(server).await;
        let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut connection).await.unwrap();
        assert_eq!(fsync, expected);
    }
}

#[tokio::test]
async fn a_setting_that_cannot_work_shows_the_servers_own_words() {
    let state = StateDir::temporary().unwrap();
    let options = PostgresOptions {
        settings: vec![("max_wal_size".into(), "plenty".into())],
        ..PostgresOptions::default()
    };
    let error = Postgres::start(&Binaries::find().unwrap(), &state, options).await.unwrap_err();
    assert!(matches!(error, StackError::Ended { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("max_wal_size"), "{text}");
}
