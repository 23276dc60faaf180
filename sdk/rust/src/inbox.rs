//! The inbox's functions, for any number of attempts in one statement.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::answer::Verdict;

const BEGIN: &str = "SELECT inbox_begin(message_id, consumer, fence)
    FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS attempt(message_id, consumer, fence)";

const COMPLETE: &str = "SELECT inbox_complete(message_id, consumer, fence)
    FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS attempt(message_id, consumer, fence)
    WHERE current_setting('sea_mq.transaction', true) = 'open'";

/// What the inbox knows an attempt by.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) message_id: Uuid,
    pub(crate) consumer: String,
    pub(crate) fence: i64,
}

/// Whether these may run, in their order. Takes no lock.
pub(crate) async fn begin(
    connection: &mut PgConnection,
    attempts: &[&Attempt],
) -> sqlx::Result<Vec<Verdict>> {
    let (ids, consumers, fences) = columns(attempts);
    let said: Vec<String> =
        sqlx::query_scalar(BEGIN).bind(ids).bind(consumers).bind(fences).fetch_all(connection).await?;
    Ok(said.iter().map(|word| verdict(word)).collect())
}

/// Marks them processed; false when the transaction is not the one any more that was begun.
///
/// To be called last: it locks the inbox rows until the commit, always in the same order, so that two batches never
/// wait for each other.
pub(crate) async fn complete(connection: &mut PgConnection, attempts: &[&Attempt]) -> sqlx::Result<bool> {
    let mut in_order = attempts.to_vec();
    in_order.sort_unstable_by_key(|attempt| attempt.message_id);
    let (ids, consumers, fences) = columns(&in_order);
    let marked = sqlx::query(COMPLETE).bind(ids).bind(consumers).bind(fences).execute(connection).await?;
    Ok(usize::try_from(marked.rows_affected()) == Ok(attempts.len()))
}

fn columns<'a>(attempts: &[&'a Attempt]) -> (Vec<Uuid>, Vec<&'a str>, Vec<i64>) {
    let ids = attempts.iter().map(|attempt| attempt.message_id).collect();
    let consumers = attempts.iter().map(|attempt| attempt.consumer.as_str()).collect();
    (ids, consumers, attempts.iter().map(|attempt| attempt.fence).collect())
}

fn verdict(word: &str) -> Verdict {
    match word {
        "run" => Verdict::Run,
        "done" => Verdict::Done,
        "outdated" => Verdict::Outdated,
        // What a later inbox may say settles nothing.
        _ => Verdict::Unknown,
    }
}
