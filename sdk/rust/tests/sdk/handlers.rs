//! Handlers that do what the payload of the event says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sea_mq_sdk::{
    AskAndHandle, Emit, Event, Failure, Handle, HandleMany, Handlers, ManyTx, Transactions, Tx,
};
use serde::Deserialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tokio::sync::Semaphore;
use uuid::Uuid;

const COIN: &str = "INSERT INTO coins (message_id, note) VALUES ($1, $2)";

/// What a handler does after it has written its coin.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    Poison,
    Retry,
    RetryAfterMs(u64),
    Error,
    Panic,
    /// Says that it is there, and waits to be let on.
    Wait,
    /// A statement of its own.
    Sql(String),
    /// The same, and nobody looks at its error.
    SqlInSilence(String),
    /// A savepoint that is rolled back.
    Savepoint,
    /// Marks its event by itself.
    Complete,
    /// Another event, of this subject within the context.
    Emit(String),
}

#[derive(Debug, Deserialize)]
pub struct Coin {
    note: String,
    then: Option<Then>,
}

/// Where handlers wait; it counts how often handlers ran.
#[derive(Clone)]
pub struct Gate {
    pub arrived: Arc<Semaphore>,
    pub open: Arc<Semaphore>,
    pub ran: Arc<AtomicUsize>,
    pub asked: Arc<AtomicUsize>,
    pub many: Arc<AtomicUsize>,
}

impl Default for Gate {
    fn default() -> Self {
        let (arrived, open) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        Self { arrived, open, ran: Arc::default(), asked: Arc::default(), many: Arc::default() }
    }
}

impl Gate {
    /// Until a handler waits.
    pub async fn arrival(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }

    pub fn let_on(&self) {
        self.open.add_permits(1);
    }
}

#[derive(Debug, thiserror::Error)]
#[error("secret: {0}")]
struct Unexpected(String);

#[derive(Clone)]
struct Coins {
    gate: Gate,
    context: String,
    transactions: Option<Transactions>,
}

impl Coins {
    async fn then(&self, tx: &mut Tx<'_>, event: &Event<Coin>) -> Result<(), Failure> {
        let Some(then) = &event.payload.then else { return Ok(()) };
        match then {
            Then::Poison => return Err(Failure::poison("there is no such coin")),
            Then::Retry => return Err(Failure::retry("not yet")),
            Then::RetryAfterMs(wait) => {
                return Err(Failure::retry("not yet").after(Duration::from_millis(*wait)));
            }
            Then::Error => Err(Unexpected(event.payload.note.clone()))?,
            Then::Panic => panic!("a handler of the tests"),
            Then::Wait => {
                self.gate.arrived.add_permits(1);
                self.gate.open.acquire().await?.forget();
            }
            Then::Sql(sql) => sql_of(tx.connection(), sql).await?,
            Then::SqlInSilence(sql) => drop(sql_of(tx.connection(), sql).await),
            Then::Savepoint => {
                let mut savepoint = tx.connection().begin().await?;
                coin(&mut savepoint, event.message_id, "in the savepoint").await?;
                savepoint.rollback().await?;
            }
            Then::Complete => {
                let marking = sqlx::query("SELECT inbox_complete($1, $2, $3)").bind(event.message_id);
                marking.bind(&event.consumer).bind(event.fence).execute(tx.connection()).await?;
            }
            Then::Emit(name) => {
                let subject = format!("{}.event.{name}", self.context);
                tx.emit(
                    Emit::new(subject, &serde_json::json!({"note": event.payload.note})).aggregate("coin", 7),
                )
                .await?;
            }
        }
        Ok(())
    }
}

async fn coin(connection: &mut PgConnection, id: Uuid, note: &str) -> sqlx::Result<()> {
    sqlx::query(COIN).bind(id).bind(note).execute(connection).await.map(drop)
}

async fn sql_of(connection: &mut PgConnection, sql: &str) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.map(drop)
}

impl Handle for Coins {
    type Payload = Coin;

    async fn handle(&self, tx: &mut Tx<'_>, event: &Event<Coin>) -> Result<(), Failure> {
        self.gate.ran.fetch_add(1, Ordering::SeqCst);
        coin(tx.connection(), event.message_id, &event.payload.note).await?;
        self.then(tx, event).await
    }

    fn transactions(&self) -> Option<Transactions> {
        self.transactions
    }
}

struct Asking(Coins);

impl AskAndHandle for Asking {
    type Payload = Coin;
    type Asked = String;

    async fn ask(&self, event: &Event<Coin>) -> Result<String, Failure> {
        self.0.gate.asked.fetch_add(1, Ordering::SeqCst);
        match &event.payload.then {
            Some(Then::Retry) => Err(Failure::retry("nobody answers")),
            Some(Then::Panic) => panic!("an asking handler of the tests"),
            Some(Then::Wait) => {
                self.0.gate.arrived.add_permits(1);
                self.0.gate.open.acquire().await?.forget();
                Ok(format!("asked about {}", event.payload.note))
            }
            _ => Ok(format!("asked about {}", event.payload.note)),
        }
    }

    async fn handle(&self, tx: &mut Tx<'_>, event: &Event<Coin>, asked: &String) -> Result<(), Failure> {
        Ok(coin(tx.connection(), event.message_id, asked).await?)
    }
}

struct Many(Coins);

impl HandleMany for Many {
    type Payload = Coin;

    async fn handle_many(&self, tx: &mut ManyTx<'_>, events: &[&Event<Coin>]) -> Result<(), Failure> {
        self.0.gate.many.fetch_add(1, Ordering::SeqCst);
        let ids: Vec<Uuid> = events.iter().map(|event| event.message_id).collect();
        let notes: Vec<&str> = events.iter().map(|event| event.payload.note.as_str()).collect();
        let storing = sqlx::query("INSERT INTO coins SELECT * FROM unnest($1::uuid[], $2::text[])");
        storing.bind(ids).bind(notes).execute(tx.connection()).await?;
        for event in events {
            match &event.payload.then {
                Some(Then::Poison) => return Err(Failure::poison("not this one")),
                Some(Then::Emit(name)) => {
                    let subject = format!("{}.event.{name}", self.0.context);
                    tx.emit(event, Emit::new(subject, "payload")).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// `coin`, `shared_coin` (together), `asked_coin` and `many_coins`; `dull` is ignored.
pub fn handlers(pool: PgPool, gate: &Gate, context: &str) -> Handlers {
    let coins = Coins { gate: gate.clone(), context: context.to_owned(), transactions: None };
    let sharing = Coins { transactions: Some(Transactions::Together), ..coins.clone() };
    Handlers::new(pool)
        .on("coin", 1, coins.clone())
        .on("shared_coin", 1, sharing)
        .on_asking("asked_coin", 1, Asking(coins.clone()))
        .on_many("many_coins", 1, Many(coins))
        .ignore("dull", 1)
}
