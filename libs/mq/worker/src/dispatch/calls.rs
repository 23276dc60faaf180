//! The calls in flight.

use std::time::Instant;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use sea_mq_dispatch::{Call, Handler, Outcome, outcome, request_body};
use sea_mq_event::header;
use sea_mq_failpoint::failpoint;
use sea_mq_inbox::Attempt;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::measures::Measures;

/// What is remembered of a call until it is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OpenCall {
    pub(super) id: Uuid,
    pub(super) fence: i64,
    pub(super) attempts: i32,
    pub(super) event_type: String,
    pub(super) correlation_id: String,
    occurred_at: Option<OffsetDateTime>,
    started_at: Instant,
}

/// A call that has ended.
pub(super) struct Ended {
    pub(super) call: OpenCall,
    pub(super) outcome: Outcome,
}

/// The calls in flight of one subscription.
pub(super) struct Calls {
    handler: Handler,
    consumer: String,
    running: FuturesUnordered<BoxFuture<'static, Ended>>,
}

impl Calls {
    pub(super) fn new(handler: Handler, consumer: &str) -> Self {
        Self { handler, consumer: consumer.to_owned(), running: FuturesUnordered::new() }
    }

    /// Calls the handler for an attempt that is committed.
    pub(super) fn start(&mut self, attempt: Attempt) {
        let call = Call {
            message_id: attempt.message_id,
            subject: &attempt.subject,
            headers: &attempt.headers,
            payload: &attempt.body,
            consumer: &self.consumer,
            attempt: attempt.attempts,
            fence: attempt.fence,
        };
        let open = OpenCall {
            id: attempt.message_id,
            fence: attempt.fence,
            attempts: attempt.attempts,
            event_type: attempt.event_type.clone().unwrap_or_default(),
            correlation_id: call.header(header::CORRELATION_ID).unwrap_or_default().to_owned(),
            occurred_at: call
                .header(header::OCCURRED_AT)
                .and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok()),
            started_at: Instant::now(),
        };
        let trace = call.header(header::TRACEPARENT).map(str::to_owned);
        let handler = self.handler.clone();
        self.running.push(match request_body(&call) {
            Ok(body) => Box::pin(async move {
                let answer = handler.call(open.id, body, trace.as_deref()).await;
                failpoint!("dispatch.answer.after");
                Ended { call: open, outcome: outcome(&answer) }
            }),
            // Such a message is recorded as malformed; one that was not is no less so now.
            Err(error) => {
                let outcome = Outcome::Poison(format!("the payload is not JSON: {error}"));
                Box::pin(async move { Ended { call: open, outcome } })
            }
        });
    }

    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    /// The next call that ends; `None` when there is none.
    pub(super) async fn next(&mut self) -> Option<Ended> {
        self.running.next().await
    }

    /// A call that has ended already.
    pub(super) fn try_next(&mut self) -> Option<Ended> {
        self.running.next().now_or_never().flatten()
    }
}

impl OpenCall {
    /// Measures a settled call.
    pub(super) fn observe(&self, measures: &Measures, processed: bool) {
        measures.settled(self.started_at.elapsed());
        if let Some(occurred_at) = self.occurred_at.filter(|_| processed) {
            // Another context's clock may be ahead.
            measures.handled((OffsetDateTime::now_utc() - occurred_at).try_into().unwrap_or_default());
        }
    }
}
