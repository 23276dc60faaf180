//! One attempt as a handler runs it: statement by statement, on a connection of its own.

use std::collections::VecDeque;

use sqlx::{AssertSqlSafe, PgConnection, Row};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::mutant::Mutant;
use crate::schedule::Style;

pub struct Session {
    pub connection: PgConnection,
    pub pid: i32,
}

/// What a statement brought: the first column of its first row as text, or the SQLSTATE.
pub type Reply = Result<Option<String>, String>;
pub type Replied = (Session, Reply);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    Begin,
    Ask,
    Effect,
    Emit,
    Complete,
    Commit,
}

/// Who sent something: a worker's process, in one of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub worker: usize,
    /// Which of its processes.
    pub process: u32,
    pub instance: Uuid,
}

/// What is called for.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub by: Caller,
    pub event: usize,
    pub message: Uuid,
    pub fence: i64,
    pub attempts: i32,
}

pub enum Connection {
    Idle(Session),
    /// A statement is under way.
    Busy(Statement, i32, JoinHandle<Replied>),
    Gone,
}

/// The statements of an attempt.
pub const WHOLE_SCRIPT: usize = 6;

pub struct Handler {
    pub call: Call,
    pub style: Style,
    pub script: VecDeque<Statement>,
    pub connection: Connection,
    /// Its transaction holds the inbox row.
    pub holds: bool,
    pub answer: Option<u16>,
    /// The worker still waits for the answer.
    pub awaited: bool,
}

impl Handler {
    pub fn new(call: Call, style: Style, session: Session, awaited: bool) -> Self {
        let first = if style.asks_before {
            [Statement::Ask, Statement::Begin]
        } else {
            [Statement::Begin, Statement::Ask]
        };
        let rest = [Statement::Effect, Statement::Emit, Statement::Complete, Statement::Commit];
        let script = first.into_iter().chain(rest).collect();
        let connection = Connection::Idle(session);
        Self { call, style, script, connection, holds: false, answer: None, awaited }
    }

    pub fn has_ended(&self) -> bool {
        matches!(self.connection, Connection::Gone)
    }

    pub fn is_idle(&self) -> bool {
        matches!(self.connection, Connection::Idle(_))
    }

    pub fn pid(&self) -> Option<i32> {
        match &self.connection {
            Connection::Idle(session) => Some(session.pid),
            Connection::Busy(_, pid, _) => Some(*pid),
            Connection::Gone => None,
        }
    }

    /// Sends a statement off.
    pub fn send(&mut self, statement: Statement, sql: String) {
        self.connection = match std::mem::replace(&mut self.connection, Connection::Gone) {
            Connection::Idle(session) => {
                let pid = session.pid;
                Connection::Busy(statement, pid, tokio::spawn(ask(session, sql)))
            }
            other @ (Connection::Busy(..) | Connection::Gone) => other,
        };
    }

    pub fn sql(&self, statement: Statement, world: &Names, poison: bool) -> String {
        let (id, fence, consumer) = (self.call.message, self.call.fence, &world.consumer);
        match statement {
            Statement::Begin => format!("BEGIN ISOLATION LEVEL {}", self.style.isolation.sql()),
            Statement::Ask => format!("SELECT inbox_begin('{id}', '{consumer}', {fence})"),
            // What the event says cannot be done.
            Statement::Effect if poison => "DO $$ BEGIN RAISE SQLSTATE 'XX422'; END $$".to_owned(),
            Statement::Effect => world.effect(id, self.call.event),
            Statement::Emit => format!(
                "SELECT outbox_emit('{}.event.case_counted.v1', '{{}}', 'count', '{id}', causation_id => '{id}')::text",
                world.context
            ),
            Statement::Complete => format!("SELECT inbox_complete('{id}', '{consumer}', {fence})::text"),
            Statement::Commit => "COMMIT".to_owned(),
        }
    }

    /// True when the handler says that it is done although it is not.
    pub fn answers_early(&self, mutant: Option<Mutant>, done: Statement) -> bool {
        mutant == Some(Mutant::AnswersBeforeTheCommit) && done == Statement::Complete
    }
}

/// What things are called in one schedule.
pub struct Names {
    pub consumer: String,
    pub context: String,
    /// The aggregate of each event.
    pub aggregates: Vec<String>,
    pub shared_row: bool,
}

impl Names {
    fn effect(&self, id: Uuid, event: usize) -> String {
        let (consumer, aggregate) = (&self.consumer, &self.aggregates[event]);
        let insert = format!(
            "INSERT INTO effects (consumer, message_id, aggregate) VALUES ('{consumer}', '{id}', '{aggregate}')"
        );
        if !self.shared_row {
            return insert;
        }
        format!(
            "WITH effect AS ({insert}) UPDATE totals SET n = n + 1 WHERE consumer = '{consumer}' AND aggregate = '{aggregate}'"
        )
    }
}

pub async fn ask(mut session: Session, sql: String) -> Replied {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut session.connection).await;
    let reply = match rows {
        Ok(rows) => Ok(rows.first().and_then(|row| row.try_get(0).ok())),
        Err(error) => Err(error
            .as_database_error()
            .and_then(|error| error.code())
            .map_or_else(|| format!("{error:?}"), std::borrow::Cow::into_owned)),
    };
    (session, reply)
}
