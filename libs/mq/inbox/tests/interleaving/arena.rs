//! The Postgres in which schedules are played: one database, a consumer of its own for each.

use std::str::FromStr;
use std::time::Duration;

use sea_mq_database::{Password, ProvisionRequest, provision};
use sea_mq_event::ContextName;
use sea_mq_stack::shared_postgres;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, Row};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::handler::{Replied, Session};

/// What the application has beside the tables of the schema. `effects` has no unique constraint: what
/// happens twice shows.
const APPLICATION: &str = "
    CREATE TABLE effects (n bigint GENERATED ALWAYS AS IDENTITY, consumer text, message_id uuid, aggregate text);
    CREATE INDEX ON effects (consumer, message_id);
    CREATE TABLE totals (consumer text, aggregate text, n bigint NOT NULL DEFAULT 0, PRIMARY KEY (consumer, aggregate));
    CREATE INDEX ON outbox_events (causation_id);
    GRANT SELECT, INSERT ON effects TO PUBLIC;
    GRANT SELECT, INSERT, UPDATE ON totals TO PUBLIC;";

pub struct Arena {
    pub context: String,
    /// The worker's. It waits for a lock for two seconds at most: nobody ends a handler's
    /// transaction while a statement of the worker is awaited, so one that waits for it fails.
    pub pool: PgPool,
    app_url: String,
    superuser: PgConnection,
    idle: Vec<Session>,
    played: u32,
}

impl Arena {
    pub async fn new() -> Self {
        let context = format!("t_{}", &Uuid::new_v4().simple().to_string()[..12]);
        let password = |role: &str| Password::new(role, &format!("{role} of {context}")).unwrap();
        let name = ContextName::parse(&context).unwrap();
        let request = ProvisionRequest::new(name, password("app"), password("worker"));
        let admin_url = shared_postgres().await.unwrap().admin_url();
        let provisioned = provision(&admin_url, &request).await.unwrap();
        let options = PgConnectOptions::from_str(&provisioned.urls.worker)
            .unwrap()
            .options([("lock_timeout", "2s"), ("statement_timeout", "30s")]);
        let pool = PgPoolOptions::new().max_connections(2).connect_with(options).await.unwrap();
        let superuser = PgConnectOptions::from_str(&admin_url).unwrap();
        let superuser = superuser.database(&provisioned.names.database).connect().await.unwrap();
        let app_url = provisioned.urls.app;
        let mut arena = Self { context, pool, app_url, superuser, idle: Vec::new(), played: 0 };
        arena.run(APPLICATION).await;
        arena
    }

    /// The name of the consumer of the next schedule; what went before is cleared away.
    pub async fn next_consumer(&mut self) -> String {
        self.run("DELETE FROM outbox_events; DELETE FROM mq_instances; DELETE FROM mq_leases").await;
        self.played += 1;
        format!("me__from_you{}", self.played)
    }

    /// As the superuser.
    pub async fn run(&mut self, sql: &str) -> u64 {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.superuser).await;
        done.unwrap().rows_affected()
    }

    /// As the superuser.
    pub async fn rows(&mut self, sql: &str) -> Vec<PgRow> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.superuser).await.unwrap()
    }

    pub async fn text(&mut self, sql: &str) -> String {
        self.rows(sql).await[0].try_get(0).unwrap()
    }

    /// A connection of the application that nobody uses.
    pub async fn session(&mut self) -> Session {
        if let Some(idle) = self.idle.pop() {
            return idle;
        }
        let mut connection = PgConnection::connect(&self.app_url).await.unwrap();
        let pid = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await.unwrap();
        Session { connection, pid }
    }

    /// Takes a connection back; it has no transaction open.
    pub fn give_back(&mut self, session: Session) {
        self.idle.push(session);
    }

    /// Ends a backend and returns once its locks are gone.
    pub async fn terminate(&mut self, pid: i32) {
        self.run(&format!("SELECT pg_terminate_backend({pid})")).await;
        let there = format!("SELECT count(*)::text FROM pg_stat_activity WHERE pid = {pid}");
        let gone = async { while self.text(&there).await != "0" {} };
        tokio::time::timeout(Duration::from_secs(30), gone).await.expect("a terminated backend ends");
    }

    /// The end of a statement; `None` when it waits for somebody's lock.
    pub async fn end_of(&mut self, statement: &mut JoinHandle<Replied>, pid: i32) -> Option<Replied> {
        let blocked = format!("SELECT (cardinality(pg_blocking_pids({pid})) > 0)::text");
        loop {
            if let Ok(joined) = tokio::time::timeout(Duration::from_millis(2), &mut *statement).await {
                return Some(joined.unwrap());
            }
            if self.text(&blocked).await == "true" {
                return None;
            }
        }
    }
}
