//! Handlers in the worker's own process: the handler contract without the socket.

use std::time::Duration;

use bytes::Bytes;
use sea_mq_dispatch::{Answer, BatchOutcome, Capabilities, MOST_EVENTS, outcome};
use sea_mq_sdk::{Call, Handlers};
use tokio_util::task::AbortOnDropHandle;

/// Handlers of a worker's own process: an event that is handed to them crosses no socket, and means the same as over
/// HTTP. They have a pool of their own, as the context's application role: the worker's role can write none of
/// its tables.
#[derive(Clone, Debug)]
pub struct InProcess {
    handlers: Handlers,
    batch: Option<usize>,
}

impl InProcess {
    /// Hands over one event at a time.
    #[must_use]
    pub fn new(handlers: Handlers) -> Self {
        Self { handlers, batch: None }
    }

    /// Hands over up to so many at once, at most 1,000, when as many wait: for handlers that share a transaction, or
    /// take many.
    #[must_use]
    pub fn batches(self, most: usize) -> Self {
        Self { batch: Some(most.min(MOST_EVENTS)).filter(|most| *most > 1), ..self }
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        Capabilities { batch: self.batch }
    }

    pub(crate) async fn call(&self, body: &Bytes, limit: Duration) -> Answer {
        let call: Call = match serde_json::from_slice(body) {
            Ok(call) => call,
            Err(error) => return unreadable(&error),
        };
        let handlers = self.handlers.clone();
        within(limit, async move { told(handlers.answer(call).await) }).await.unwrap_or_else(|failed| failed)
    }

    pub(crate) async fn call_batch(&self, bodies: &[Bytes], limit: Duration) -> BatchOutcome {
        let calls: Result<Vec<Call>, _> = bodies.iter().map(|body| serde_json::from_slice(body)).collect();
        let calls = match calls {
            Ok(calls) => calls,
            // By itself each of the others is handed over, and this one is told apart.
            Err(error) => return BatchOutcome::Singly { why: error.to_string() },
        };
        let handlers = self.handlers.clone();
        let handed = within(limit, async move { handlers.answer_batch(calls).await }).await;
        match handed {
            Ok(answers) => {
                BatchOutcome::Each(answers.into_iter().map(|answer| outcome(&told(answer))).collect())
            }
            Err(failed) => BatchOutcome::Whole(outcome(&failed)),
        }
    }
}

/// In a task of its own, so that a handler which computes for long does not keep the worker from its leases. It
/// ends with the limit: what it has not committed is rolled back.
async fn within<T: Send + 'static>(
    limit: Duration,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Answer> {
    let task = AbortOnDropHandle::new(tokio::spawn(work));
    match tokio::time::timeout(limit, task).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Answer::CutOff(error.to_string())),
        Err(_) => Err(Answer::TimedOut(limit)),
    }
}

fn told(answer: sea_mq_sdk::Answer) -> Answer {
    Answer::Status { code: answer.status, retry_after: answer.retry_after, body: answer.why }
}

fn unreadable(error: &serde_json::Error) -> Answer {
    Answer::Status { code: 400, retry_after: None, body: format!("this is no call: {error}") }
}
