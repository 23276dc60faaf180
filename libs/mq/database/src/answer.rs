//! The one place where statements of the worker meet the database, and the bound on how long they
//! may take.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};
use tokio::time::{Instant, timeout_at};

/// How long [`ask`] and [`in_time`] wait for the database, a free connection included. Statements of
/// the outbox, the inbox and the leases take milliseconds; a connection that swallows everything
/// would hold its place for as long as TCP keeps trying, many minutes.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// How long a connection may take to show that it is still good when it goes back to the pool.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(5);

/// Why an operation brought no result.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// The database refused, or was not there: the driver's error says which.
    #[error(transparent)]
    Failed(#[from] sqlx::Error),
    /// The database did not answer. Whether it did, or still does, what it was asked for is not known.
    #[error(
        "the database gave no answer within {within:?}, so whether it was done is not known; look at the network and at the server's load"
    )]
    NoAnswer {
        /// How long was waited.
        within: Duration,
    },
}

/// Runs an operation on a connection of the pool, and waits no longer than [`ANSWER_WITHIN`] for a
/// connection and the answer together. Costs the round trips of the operation; as with the pool's own
/// calls, the connection is tested by one more after the answer is there, which nobody waits for as
/// long as another connection is free.
///
/// A connection whose answer was not read to its end, because the time was up or because the caller
/// dropped this future, is closed and never used again. What it had asked for may still be carried
/// out by the server: an operation has to be one that may be asked for again.
///
/// # Errors
/// [`Unanswered::Failed`] with the driver's error, also when no connection was to be had;
/// [`Unanswered::NoAnswer`] when the time was up.
pub async fn ask<T>(
    pool: &PgPool,
    operation: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
) -> Result<T, Unanswered> {
    ask_within(pool, ANSWER_WITHIN, operation).await
}

async fn ask_within<T>(
    pool: &PgPool,
    within: Duration,
    operation: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
) -> Result<T, Unanswered> {
    let deadline = Instant::now() + within;
    let mut borrowed = Borrowed::new(answer(within, deadline, pool.acquire()).await?);
    let answered = answer(within, deadline, operation(&mut borrowed.connection)).await;
    // After an error of the server the connection is in step again; the pool tests it.
    borrowed.in_step = !matches!(answered, Err(Unanswered::NoAnswer { .. }));
    answered
}

/// Awaits one answer on a connection of the caller's, no longer than [`ANSWER_WITHIN`].
///
/// # Errors
/// [`Unanswered::Failed`] with the driver's error. After [`Unanswered::NoAnswer`] the caller has to
/// close the connection: the rest of the answer may still come.
pub async fn in_time<T>(asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Unanswered> {
    answer(ANSWER_WITHIN, Instant::now() + ANSWER_WITHIN, asked).await
}

async fn answer<T>(
    within: Duration,
    deadline: Instant,
    asked: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Unanswered> {
    // Boxed: the driver's futures are large, and would make those of every caller so.
    match timeout_at(deadline, Box::pin(asked)).await {
        Ok(answered) => answered.map_err(Unanswered::Failed),
        Err(_elapsed) => Err(Unanswered::NoAnswer { within }),
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
    use sqlx::{ConnectOptions as _, PgConnection, PgPool};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::watch;

    use super::{Unanswered, ask_within};

    const PATIENCE: Duration = Duration::from_secs(30);
    const HASTE: Duration = Duration::from_millis(200);

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
    }

    async fn backend(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await
    }

    async fn sleep(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT pg_sleep(5)").execute(connection).await.map(drop)
    }

    #[tokio::test]
    async fn a_line_that_swallows_everything_costs_one_answer_and_no_connection() {
        let line = Line::open().await;
        ask_within(&line.pool, PATIENCE, backend).await.unwrap();
        line.flows.send_replace(false);
        let error = ask_within(&line.pool, HASTE, backend).await.unwrap_err();
        assert!(matches!(error, Unanswered::NoAnswer { within: HASTE }), "{error}");
        line.flows.send_replace(true);
        // The pool's only place is free again, and its connection a new one.
        ask_within(&line.pool, PATIENCE, backend).await.unwrap();
    }

    #[tokio::test]
    async fn what_was_given_up_halfway_is_not_used_again() {
        let line = Line::open().await;
        let pool = &line.pool;
        let current = async || ask_within(pool, PATIENCE, backend).await.unwrap();
        let first = current().await;
        assert_eq!(current().await, first, "answered to the end, it is used again");
        let slow = ask_within(pool, HASTE, sleep).await;
        assert!(matches!(slow, Err(Unanswered::NoAnswer { .. })));
        let second = current().await;
        assert_ne!(second, first);
        let refused =
            ask_within(pool, PATIENCE, async |c| sqlx::query("SELECT 1/0").execute(c).await.map(drop));
        assert!(matches!(refused.await, Err(Unanswered::Failed(_))));
        assert_eq!(current().await, second, "an error is an answer");
        let dropped = ask_within(pool, PATIENCE, sleep);
        assert!(tokio::time::timeout(HASTE, dropped).await.is_err());
        assert_ne!(current().await, second);
    }
}
