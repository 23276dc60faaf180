use std::time::{Duration, Instant};

use sea_mq_stream::StreamError;

use crate::output::complain;

/// How long the broker may take nothing, or not answer, and when it is asked again meanwhile.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// Asks until there is an answer: an election or a lost connection passes.
pub(super) async fn patiently<T, F>(ask: impl Fn() -> F) -> Result<T, StreamError>
where
    F: Future<Output = Result<T, StreamError>>,
{
    let mut failed_at: Option<Instant> = None;
    loop {
        match ask().await {
            Err(error) if error.is_passing() && failed_at.is_none_or(|at| at.elapsed() < PATIENCE) => {
                if failed_at.is_none() {
                    complain(&format!("{error}; trying again for {PATIENCE:?}"));
                }
                failed_at.get_or_insert_with(Instant::now);
            }
            answer => return answer,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use sea_mq_stream::StreamError;

    use super::{PATIENCE, patiently};

    fn election() -> StreamError {
        let description = "JetStream system temporarily unavailable".to_owned();
        StreamError::Api { doing: String::new(), code: 503, err_code: 10008, description, hint: "" }
    }

    #[tokio::test]
    async fn an_election_is_waited_out_and_a_verdict_is_not() {
        let asked = Cell::new(0);
        let answer = patiently(|| {
            asked.set(asked.get() + 1);
            let answer = if asked.get() < 3 { Err(election()) } else { Ok(asked.get()) };
            std::future::ready(answer)
        });
        assert!(matches!(answer.await, Ok(3)), "of {PATIENCE:?}");
        let missing = || StreamError::StreamMissing { doing: String::new(), stream: String::new() };
        assert!(patiently(|| std::future::ready(Err::<(), _>(missing()))).await.is_err());
    }
}
