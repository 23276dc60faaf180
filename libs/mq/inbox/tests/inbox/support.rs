//! A context of its own for each test, in the Postgres that the tests of this process share, with
//! one instance that holds the ingest lease and every dispatch lane.
//!
//! The instance's connections wait for a lock for a second at most: where a test holds a row in a
//! handler's transaction, its passing shows that no statement waited for it.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sea_mq_database::{Password, ProvisionRequest, Provisioned, provision};
use sea_mq_event::{ContextName, inbox_lane};
use sea_mq_inbox::{Arrival, Inbox, Ingest, Recorded, RecordedRow};
use sea_mq_lease::{Registry, Role};
use sea_mq_stack::shared_postgres;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

pub const CONSUMER: &str = "me__from_you";
pub const STREAM: &str = "YOU_EVENTS";
pub const INCARNATION: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

pub struct Context {
    admin_url: String,
    provisioned: Provisioned,
    pub inbox: Inbox,
    pub registry: Registry,
    pub ingest: Ingest,
}

impl Context {
    pub async fn new() -> Self {
        let name = format!("t_{}", &Uuid::new_v4().simple().to_string()[..12]);
        let password = |role: &str| Password::new(role, &format!("{role} of {name}")).unwrap();
        let request =
            ProvisionRequest::new(ContextName::parse(&name).unwrap(), password("app"), password("worker"));
        let admin_url = shared_postgres().await.unwrap().admin_url();
        let provisioned = provision(&admin_url, &request).await.unwrap();
        let pool = impatient(&provisioned.urls.worker, 2).await;
        let inbox = Inbox::new(pool.clone(), CONSUMER);
        let mut registry = registry(&pool, &inbox);
        let ingest = right(&inbox, &mut registry).await;
        Self { admin_url, provisioned, inbox, registry, ingest }
    }

    /// Another instance; it holds nothing.
    pub async fn other(&self) -> Registry {
        registry(&self.impatient(1).await, &self.inbox)
    }

    pub async fn impatient(&self, connections: u32) -> PgPool {
        impatient(&self.provisioned.urls.worker, connections).await
    }

    pub fn instance(&self) -> Uuid {
        self.ingest.instance
    }

    /// A handler's connection.
    pub async fn app(&self) -> PgConnection {
        PgConnection::connect(&self.provisioned.urls.app).await.unwrap()
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

    /// Buries the instance, as another would that found it expired.
    pub async fn bury(&self) {
        let sql = format!("DELETE FROM mq_instances WHERE id = '{}'", self.instance());
        assert_eq!(run(&mut self.worker().await, &sql).await, 1);
    }

    /// Records, up to the highest sequence of the group, and returns what was new.
    pub async fn record(&self, group: &[Arrival]) -> Vec<RecordedRow> {
        let recorded_seq = group.iter().map(|row| row.stream_seq).max().unwrap_or(0);
        match self.inbox.record(&Ingest { recorded_seq, ..self.ingest.clone() }, group).await.unwrap() {
            Recorded::New(rows) => rows,
            Recorded::LeaseLost => panic!("the lease is held"),
        }
    }

    /// Records ready messages of one aggregate and returns their ids.
    pub async fn ready(&self, aggregate: &str, count: i64) -> Vec<Uuid> {
        let group: Vec<Arrival> = (1..=count).map(|seq| arrival(Some(aggregate), seq)).collect();
        assert_eq!(self.record(&group).await.len(), group.len());
        group.iter().map(|row| row.message_id).collect()
    }

    /// Records a message and starts its first attempt: its fence is 1.
    pub async fn running(&self, aggregate: &str) -> Uuid {
        let message = Arrival { start: true, ..arrival(Some(aggregate), 1) };
        assert_eq!(self.record(std::slice::from_ref(&message)).await.len(), 1);
        message.message_id
    }

    /// `state attempts fence epoch` of a message.
    pub async fn row(&self, id: Uuid) -> String {
        let sql = format!(
            "SELECT concat_ws(' ', state, attempts, fence, epoch) FROM inbox_messages WHERE message_id = '{id}'"
        );
        text(&mut self.worker().await, &sql).await
    }
}

async fn impatient(url: &str, connections: u32) -> PgPool {
    let options = PgConnectOptions::from_str(url)
        .unwrap()
        .options([("lock_timeout", "1s"), ("statement_timeout", "30s")]);
    PgPoolOptions::new().max_connections(connections).connect_with(options).await.unwrap()
}

fn registry(pool: &PgPool, inbox: &Inbox) -> Registry {
    let role = |name: &str, lanes| Role { name: Arc::from(name), lanes };
    let roles = vec![role(inbox.ingest_role(), 1), role(inbox.dispatch_role(), 32)];
    Registry::new(pool.clone(), "test".to_owned(), roles, Duration::from_secs(600))
}

/// The right to record that the instance has after a tick.
pub async fn right(inbox: &Inbox, registry: &mut Registry) -> Ingest {
    let held = registry.tick().await.unwrap();
    let epoch = held.of(inbox.ingest_role()).next().unwrap().epoch;
    Ingest {
        instance: held.instance,
        epoch,
        stream: STREAM.to_owned(),
        incarnation: INCARNATION,
        recorded_seq: 0,
    }
}

/// A message of case `aggregate`; without one it is unordered.
pub fn arrival(aggregate: Option<&str>, stream_seq: i64) -> Arrival {
    let message_id = Uuid::new_v4();
    let kind = aggregate.map(|_| "case");
    Arrival {
        message_id,
        subject: "you.event.case_opened.v1".to_owned(),
        event_type: Some("case_opened".to_owned()),
        event_version: Some(1),
        aggregate_type: kind.map(str::to_owned),
        aggregate_id: aggregate.map(str::to_owned),
        lane: inbox_lane(kind, aggregate, message_id),
        stream_seq,
        headers: vec![("X-Event-Type".to_owned(), "case_opened".to_owned())],
        body: Bytes::from_static(b"{\"n\":1}"),
        unusable: None,
        start: false,
    }
}

pub fn lane_of(aggregate: &str) -> i16 {
    inbox_lane(Some("case"), Some(aggregate), Uuid::nil())
}

pub fn all_lanes() -> Vec<i16> {
    (0..32).collect()
}

/// A handler's transaction that has completed the message and not committed: it holds the row.
pub async fn completing(context: &Context, id: Uuid, fence: i64) -> PgConnection {
    let mut handler = context.app().await;
    run(&mut handler, &format!("BEGIN; SELECT inbox_complete('{id}', '{CONSUMER}', {fence})")).await;
    handler
}

pub async fn run(connection: &mut PgConnection, sql: &str) -> u64 {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap().rows_affected()
}

/// `ok`, or the SQLSTATE of the refusal.
pub async fn outcome(connection: &mut PgConnection, sql: &str) -> String {
    match sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.as_database_error().unwrap().code().unwrap().into_owned(),
    }
}

pub async fn count(connection: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap()
}

pub async fn text(connection: &mut PgConnection, sql: &str) -> String {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap()
}
