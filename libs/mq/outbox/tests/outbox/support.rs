//! A context of its own for each test, in the Postgres that the tests of this process share.

use std::str::FromStr;
use std::time::Duration;

use sea_mq_database::{Password, ProvisionRequest, Provisioned, provision};
use sea_mq_event::ContextName;
use sea_mq_outbox::{Claimed, Cursor, NewEvent, Outbox, emit};
use sea_mq_stack::shared_postgres;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};
use uuid::Uuid;

pub struct Context {
    admin_url: String,
    provisioned: Provisioned,
}

impl Context {
    pub async fn new() -> Self {
        let name = format!("t_{}", &Uuid::new_v4().simple().to_string()[..12]);
        let password = |role: &str| Password::new(role, &format!("{role} of {name}")).unwrap();
        let request =
            ProvisionRequest::new(ContextName::parse(&name).unwrap(), password("app"), password("worker"));
        let admin_url = shared_postgres().await.unwrap().admin_url();
        let provisioned = provision(&admin_url, &request).await.unwrap();
        Self { admin_url, provisioned }
    }

    /// A worker's pool that waits for no lock longer than `lock_timeout`.
    pub async fn pool(&self, connections: u32, lock_timeout: &str) -> PgPool {
        let options = PgConnectOptions::from_str(&self.provisioned.urls.worker)
            .unwrap()
            .options([("lock_timeout", lock_timeout)]);
        PgPoolOptions::new().max_connections(connections).connect_with(options).await.unwrap()
    }

    pub async fn outbox(&self) -> Outbox {
        Outbox::new(self.pool(2, "5s").await)
    }

    pub async fn app(&self) -> PgConnection {
        PgConnection::connect(&self.provisioned.urls.app).await.unwrap()
    }

    pub async fn app_pool(&self) -> PgPool {
        PgPool::connect(&self.provisioned.urls.app).await.unwrap()
    }

    pub async fn worker(&self) -> PgConnection {
        PgConnection::connect(&self.provisioned.urls.worker).await.unwrap()
    }

    /// The server's superuser, inside the context's database.
    pub async fn superuser(&self) -> PgConnection {
        PgConnectOptions::from_str(&self.admin_url)
            .unwrap()
            .database(&self.provisioned.names.database)
            .connect()
            .await
            .unwrap()
    }

    /// An event of case `aggregate`; without one it is unordered.
    pub fn event(&self, aggregate: Option<&str>) -> NewEvent {
        NewEvent {
            id: Uuid::new_v4(),
            subject: format!("{}.event.case_opened.v1", self.provisioned.names.context),
            aggregate_type: aggregate.map(|_| "case".to_owned()),
            aggregate_id: aggregate.map(str::to_owned),
            ..NewEvent::default()
        }
    }

    /// Puts an event in, in the connection's transaction if it has one open, and returns its id.
    pub async fn emit(&self, app: &mut PgConnection, aggregate: Option<&str>) -> Uuid {
        let event = self.event(aggregate);
        emit(app, &event).await.unwrap();
        event.id
    }
}

pub async fn run(connection: &mut PgConnection, sql: &str) -> u64 {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap().rows_affected()
}

pub async fn count(connection: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap()
}

pub async fn text(connection: &mut PgConnection, sql: &str) -> String {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap()
}

pub async fn backend(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT pg_backend_pid()::bigint").fetch_one(pool).await.unwrap()
}

/// Returns once the backend waits for somebody's lock: the condition itself ends the wait.
pub async fn until_blocked(observer: &mut PgConnection, pid: i64) {
    let blocked = format!("SELECT count(*) FROM pg_locks WHERE pid = {pid} AND NOT granted");
    let seen = async { while count(observer, &blocked).await == 0 {} };
    tokio::time::timeout(Duration::from_secs(20), seen).await.expect("the statement waits for the lock");
}

/// Every lane from its beginning.
pub fn from_the_start() -> Vec<Cursor> {
    (0..32).map(|lane| Cursor { lane, after: 0 }).collect()
}

/// Everything that is ready, in order.
pub async fn claim_all(outbox: &Outbox) -> Vec<Claimed> {
    outbox.claim(&from_the_start(), 100_000, i64::MAX).await.unwrap()
}

pub fn ids(rows: &[Claimed]) -> Vec<Uuid> {
    rows.iter().map(|row| row.id).collect()
}
