//! A context of its own for each test, in the Postgres that the tests of this process share.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sea_mq_database::{Password, ProvisionRequest, provision};
use sea_mq_event::ContextName;
use sea_mq_lease::{Holdings, Registry, Role, surplus};
use sea_mq_stack::shared_postgres;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use uuid::Uuid;

/// Longer than any test: such an instance expires only when it is told to.
pub const LONG: Duration = Duration::from_secs(600);

pub struct Context {
    worker_url: String,
}

impl Context {
    pub async fn new() -> Self {
        let name = format!("t_{}", &Uuid::new_v4().simple().to_string()[..12]);
        let password = |role: &str| Password::new(role, &format!("{role} of {name}")).unwrap();
        let request =
            ProvisionRequest::new(ContextName::parse(&name).unwrap(), password("app"), password("worker"));
        let admin_url = shared_postgres().await.unwrap().admin_url();
        Self { worker_url: provision(&admin_url, &request).await.unwrap().urls.worker }
    }

    /// A worker's connection; it waits for no lock longer than `lock_timeout`.
    pub async fn pool(&self, lock_timeout: &str) -> PgPool {
        let options =
            PgConnectOptions::from_str(&self.worker_url).unwrap().options([("lock_timeout", lock_timeout)]);
        PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap()
    }

    /// An instance with a connection of its own.
    pub async fn instance(&self, name: &str, roles: &[Role], ttl: Duration) -> Registry {
        Registry::new(self.pool("5s").await, name.to_owned(), roles.to_vec(), ttl)
    }

    pub async fn worker(&self) -> PgConnection {
        PgConnection::connect(&self.worker_url).await.unwrap()
    }

    /// The instance has been silent for too long.
    pub async fn expire(&self, instance: Uuid) {
        let sql = format!(
            "UPDATE mq_instances SET expires_at = clock_timestamp() - interval '1 ms' WHERE id = '{instance}'"
        );
        assert_eq!(run(&mut self.worker().await, &sql).await, 1);
    }

    /// The instance was renewed when the database's clock was ahead of what it says now.
    pub async fn renewed_ahead(&self, instance: Uuid, by: &str) {
        let sql = format!(
            "UPDATE mq_instances SET expires_at = expires_at + interval '{by}' WHERE id = '{instance}'"
        );
        assert_eq!(run(&mut self.worker().await, &sql).await, 1);
    }
}

pub fn role(name: &str, lanes: i16) -> Role {
    Role { name: Arc::from(name), lanes }
}

pub async fn run(connection: &mut PgConnection, sql: &str) -> u64 {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap().rows_affected()
}

pub async fn count(connection: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap()
}

/// The lanes of a role, in order.
pub fn lanes(holdings: &Holdings, role: &str) -> Vec<i16> {
    holdings.of(role).map(|lease| lease.lane).collect()
}

/// A tick as the worker does it: what is above the fair share is handed back.
pub async fn tick_and_share(registry: &mut Registry, roles: &[Role]) -> Holdings {
    let holdings = registry.tick().await.unwrap();
    for role in roles {
        let live = holdings.live.get(&role.name).copied().unwrap_or(1);
        let above = surplus(&lanes(&holdings, &role.name), role.lanes, live);
        registry.release(&role.name, &above).await.unwrap();
    }
    registry.tick().await.unwrap()
}

/// Ticks until the instance holds lanes: on a busy machine a short life may end before it took any.
pub async fn tick_until_holding(registry: &mut Registry) -> Holdings {
    loop {
        let held = registry.tick().await.unwrap();
        if !held.leases.is_empty() {
            return held;
        }
    }
}
