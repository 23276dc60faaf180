//! A context of its own for each test, in the Postgres that the tests of this process share.

use std::str::FromStr;

use sea_mq_database::{Password, ProvisionRequest, Provisioned, provision};
use sea_mq_event::ContextName;
use sea_mq_sdk::testing::Worker;
use sea_mq_sdk::{Answer, Call, Handlers};
use sea_mq_stack::shared_postgres;
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, PgPool};
use uuid::Uuid;

use crate::handlers::{Gate, handlers};

/// What handlers write; nothing in it refuses a second effect of the same event.
const TABLES: &str = "
    CREATE TABLE coins (message_id uuid NOT NULL, note text NOT NULL);
    CREATE TABLE notes (note text CONSTRAINT note_once UNIQUE DEFERRABLE INITIALLY DEFERRED);
    GRANT ALL ON coins, notes TO PUBLIC";

pub struct Context {
    /// Which its events begin with.
    pub name: String,
    provisioned: Provisioned,
    pub pool: PgPool,
    pub worker: Worker,
    pub gate: Gate,
    pub handlers: Handlers,
}

impl Context {
    pub async fn new() -> Self {
        let name = format!("t_{}", &Uuid::new_v4().simple().to_string()[..12]);
        let password = |role: &str| Password::new(role, &format!("{role} of {name}")).unwrap();
        let context = ContextName::parse(&name).unwrap();
        let admin_url = shared_postgres().await.unwrap().admin_url();
        let request = ProvisionRequest::new(context, password("app"), password("worker"));
        let provisioned = provision(&admin_url, &request).await.unwrap();
        let superuser = PgConnectOptions::from_str(&admin_url).unwrap().database(&provisioned.names.database);
        sqlx::raw_sql(TABLES).execute(&mut superuser.connect().await.unwrap()).await.unwrap();
        let pool = pool(&provisioned.urls.app, 4);
        let worker = Worker::connect(&provisioned.urls.worker).await.unwrap();
        let gate = Gate::default();
        let handlers = handlers(pool.clone(), &gate, &name);
        Self { name, provisioned, pool, worker, gate, handlers }
    }

    /// Another pool of this size, as the application.
    pub fn pool_of(&self, connections: u32) -> PgPool {
        pool(&self.provisioned.urls.app, connections)
    }

    /// The same handlers over another pool.
    pub fn over(&self, pool: &PgPool) -> Handlers {
        handlers(pool.clone(), &self.gate, &self.name)
    }

    pub async fn call(&self, event_type: &str, payload: Value) -> Call {
        self.worker.attempt(&format!("you.event.{event_type}.v1"), &payload).await.unwrap()
    }

    pub async fn calls(&self, event_type: &str, payloads: &[Value]) -> Vec<Call> {
        let mut calls = Vec::new();
        for payload in payloads {
            calls.push(self.call(event_type, payload.clone()).await);
        }
        calls
    }

    /// A new event, handed to the handlers.
    pub async fn told(&self, event_type: &str, payload: Value) -> Answer {
        self.handlers.answer(self.call(event_type, payload).await).await
    }

    /// How often a call took effect, and the state of its event.
    pub async fn effects(&self, call: &Call) -> (i64, String) {
        let sql = "SELECT count(*) FROM coins WHERE message_id = $1";
        let count = sqlx::query_scalar(sql).bind(call.message_id).fetch_one(&self.pool).await.unwrap();
        (count, self.worker.state(call).await.unwrap())
    }

    /// The same as of one moment.
    pub async fn effects_at_once(&self, call: &Call) -> (i64, String) {
        let sql = "SELECT (SELECT count(*) FROM coins c WHERE c.message_id = m.message_id), state
            FROM inbox_messages m WHERE message_id = $1";
        let watching = PgConnectOptions::from_str(&self.provisioned.urls.worker).unwrap();
        let mut connection = watching.connect().await.unwrap();
        sqlx::query_as(sql).bind(call.message_id).fetch_one(&mut connection).await.unwrap()
    }

    /// The notes of all effects, sorted.
    pub async fn notes(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT note FROM coins ORDER BY note").fetch_all(&self.pool).await.unwrap()
    }

    /// How often this is among the notes that are not of an event.
    pub async fn noted(&self, note: &str) -> i64 {
        let sql = "SELECT count(*) FROM notes WHERE note = $1";
        sqlx::query_scalar(sql).bind(note).fetch_one(&self.pool).await.unwrap()
    }

    /// Runs a statement as the application.
    pub async fn run(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.unwrap();
    }
}

pub fn pool(url: &str, connections: u32) -> PgPool {
    PgPoolOptions::new().max_connections(connections).connect_lazy(url).unwrap()
}

pub fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status).collect()
}
