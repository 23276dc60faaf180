//! The one place where statements meet the database, and the bound on how long they may take.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres};
use tokio::time::{Instant, timeout_at};

use crate::{Outbox, OutboxError};

/// How long an operation may wait for the database, a free connection included. Statements of the
/// outbox take milliseconds; a connection that swallows everything would hold its place for as long
/// as TCP keeps trying, many minutes.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// How long a connection may take to show that it is still good when it goes back to the pool.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(5);

impl Outbox {
    /// Runs an operation on a connection of the pool, bounded by [`ANSWER_WITHIN`].
    ///
    /// `action` is what is being done, as a verb phrase.
    pub(crate) async fn ask<T>(
        &self,
        action: &'static str,
        operation: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, OutboxError> {
        let within = self.answer_within;
        let deadline = Instant::now() + within;
        let mut borrowed = Borrowed::new(answer(action, within, deadline, self.pool.acquire()).await?);
        let answered = answer(action, within, deadline, operation(&mut borrowed.connection)).await;
        // After an error of the server the connection is in step again; the pool tests it.
        borrowed.in_step = !matches!(answered, Err(OutboxError::NoAnswer { .. }));
        answered
    }
}

/// Awaits one answer of the database, on a connection of the caller's.
pub(crate) async fn answer_in_time<T>(
    action: &'static str,
    asked: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, OutboxError> {
    answer(action, ANSWER_WITHIN, Instant::now() + ANSWER_WITHIN, asked).await
}

async fn answer<T>(
    action: &'static str,
    within: Duration,
    deadline: Instant,
    asked: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, OutboxError> {
    // Boxed: the driver's futures are large, and would make those of every caller so.
    match timeout_at(deadline, Box::pin(asked)).await {
        Ok(answered) => answered.map_err(|source| OutboxError::Database { action, source }),
        Err(_elapsed) => Err(OutboxError::NoAnswer { action, within }),
    }
}

/// A connection that goes back to the pool only when its last answer was read to the end.
///
/// The pool would first wait for what is still to come, and keep the place taken for so long.
/// Closing gives the place back within seconds, whatever the network does; and the server rolls back
/// what it has not committed. Also of a good connection the pool first asks for a sign of life, and
/// waits for it without a bound: it has one here.
struct Borrowed {
    connection: PoolConnection<Postgres>,
    in_step: bool,
}

impl Borrowed {
    fn new(connection: PoolConnection<Postgres>) -> Self {
        Self { connection, in_step: false }
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if self.in_step {
            tokio::spawn(tokio::time::timeout(GIVE_BACK_WITHIN, self.connection.return_to_pool()));
        } else {
            self.connection.close_on_drop();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::str::FromStr as _;
    use std::time::Duration;

    use sea_mq_stack::shared_postgres;
    use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
    use sqlx::{ConnectOptions as _, PgPool};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::watch;

    use crate::{Outbox, OutboxError};

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Stands between a pool and the server, and forwards while it is told to; what is cut off stays
    /// open and silent.
    struct Line {
        flows: watch::Sender<bool>,
        pool: PgPool,
    }

    impl Line {
        async fn open() -> Self {
            let server = PgConnectOptions::from_str(&shared_postgres().await.unwrap().admin_url()).unwrap();
            let to = (server.get_host().to_owned(), server.get_port());
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let here = listener.local_addr().unwrap();
            let (flows, watched) = watch::channel(true);
            tokio::spawn(async move {
                while let Ok((mut near, _)) = listener.accept().await {
                    let (to, mut flows) = (to.clone(), watched.clone());
                    tokio::spawn(async move {
                        let mut far = TcpStream::connect(to).await.unwrap();
                        tokio::select! {
                            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
                            _ = flows.wait_for(|flows| !flows) => {}
                        }
                        std::future::pending::<()>().await;
                    });
                }
            });
            let options = server.host("127.0.0.1").port(here.port()).disable_statement_logging();
            let pool =
                PgPoolOptions::new().max_connections(1).test_before_acquire(false).connect_lazy_with(options);
            Self { flows, pool }
        }

        fn outbox(&self, answer_within: Duration) -> Outbox {
            Outbox { pool: self.pool.clone(), answer_within }
        }
    }

    #[tokio::test]
    async fn a_line_that_swallows_everything_costs_one_answer_and_no_connection() {
        let line = Line::open().await;
        let patient = line.outbox(PATIENCE);
        patient.snapshot().await.unwrap();
        line.flows.send_replace(false);
        let error = line.outbox(Duration::from_millis(200)).snapshot().await.unwrap_err();
        assert!(matches!(error, OutboxError::NoAnswer { .. }), "{error}");
        line.flows.send_replace(true);
        // The pool's only place is free again, and its connection a new one.
        patient.snapshot().await.unwrap();
    }

    #[tokio::test]
    async fn what_was_given_up_halfway_is_not_used_again() {
        let line = Line::open().await;
        let (hasty, patient) = (line.outbox(Duration::from_millis(200)), line.outbox(PATIENCE));
        let backend = async |outbox: &Outbox| {
            let asked = outbox.ask("be asked", async |connection| {
                sqlx::query_scalar::<_, i32>("SELECT pg_backend_pid()").fetch_one(connection).await
            });
            asked.await.unwrap()
        };
        let first = backend(&patient).await;
        assert_eq!(backend(&patient).await, first, "answered to the end, it is used again");
        let slow = hasty.ask("sleep", async |connection| {
            sqlx::query("SELECT pg_sleep(5)").execute(connection).await.map(drop)
        });
        assert!(matches!(slow.await, Err(OutboxError::NoAnswer { .. })));
        let second = backend(&patient).await;
        assert_ne!(second, first);
        let refused =
            patient.ask("divide", async |connection| sqlx::query("SELECT 1/0").execute(connection).await);
        assert!(matches!(refused.await, Err(OutboxError::Database { .. })));
        assert_eq!(backend(&patient).await, second, "an error is an answer");
        let dropped = patient.ask("sleep", async |connection| {
            sqlx::query("SELECT pg_sleep(5)").execute(connection).await.map(drop)
        });
        assert!(tokio::time::timeout(Duration::from_millis(200), dropped).await.is_err());
        assert_ne!(backend(&patient).await, second);
    }
}
