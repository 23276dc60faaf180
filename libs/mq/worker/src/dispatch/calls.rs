//! The calls in flight.

use std::time::Instant;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use sea_mq_dispatch::{Answer, BatchOutcome, Call, Outcome, batched_body, outcome};
use sea_mq_event::header;
use sea_mq_failpoint::{failpoint, wall_clock};
use sea_mq_inbox::Attempt;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::handler::{Handler, Single};
use super::measures::Measures;

/// What is remembered of an attempt until it is settled.
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

/// An attempt whose call has ended.
pub(super) struct Ended {
    pub(super) call: OpenCall,
    pub(super) outcome: Outcome,
    /// It befell a batch as a whole.
    pub(super) whole: bool,
}

/// What a call brought, of one event or of a batch.
pub(super) struct Brought {
    /// How many attempts the call had.
    pub(super) attempts: usize,
    pub(super) ended: Vec<Ended>,
    /// A batch that the handler did not look at.
    pub(super) refused: Option<Refused>,
}

/// These are to be called for one by one.
pub(super) struct Refused {
    pub(super) attempts: Vec<Attempt>,
    /// The life in which they were called for.
    pub(super) instance: Uuid,
    pub(super) why: String,
}

/// The calls in flight of one subscription.
pub(super) struct Calls {
    handler: Handler,
    consumer: String,
    running: FuturesUnordered<BoxFuture<'static, Brought>>,
}

impl Calls {
    pub(super) fn new(handler: Handler, consumer: &str) -> Self {
        Self { handler, consumer: consumer.to_owned(), running: FuturesUnordered::new() }
    }

    /// Calls the handler for attempts that are committed: for one by itself, for several as a batch.
    pub(super) fn start(&mut self, mut attempts: Vec<Attempt>, instance: Uuid) {
        match attempts.pop() {
            Some(only) if attempts.is_empty() => self.start_single(&only),
            Some(last) => {
                attempts.push(last);
                self.start_batch(attempts, instance);
            }
            None => {}
        }
    }

    fn start_single(&mut self, attempt: &Attempt) {
        let call = self.call(attempt);
        let open = OpenCall::of(attempt, &call);
        let handler = self.handler.clone();
        let single = handler.single(&call);
        self.running.push(Box::pin(async move {
            let outcome = match single {
                Ok(single) => outcome(&answer(&handler, single).await),
                Err(error) => not_json(&error),
            };
            let ended = vec![Ended { call: open, outcome, whole: false }];
            Brought { attempts: 1, ended, refused: None }
        }));
    }

    fn start_batch(&mut self, attempts: Vec<Attempt>, instance: Uuid) {
        let count = attempts.len();
        let (mut bodies, mut open, mut ended) = (Vec::new(), Vec::new(), Vec::new());
        let mut called = Vec::with_capacity(count);
        for attempt in attempts {
            let call = self.call(&attempt);
            let call_open = OpenCall::of(&attempt, &call);
            match batched_body(&call) {
                Ok(body) => {
                    bodies.push(body);
                    open.push(call_open);
                    called.push(attempt);
                }
                Err(error) => {
                    ended.push(Ended { call: call_open, outcome: not_json(&error), whole: false });
                }
            }
        }
        let handler = self.handler.clone();
        self.running.push(Box::pin(async move {
            let outcome = batch_answer(&handler, bodies).await;
            let mut refused = None;
            match outcome {
                BatchOutcome::Each(outcomes) => {
                    let each = open.into_iter().zip(outcomes);
                    ended.extend(each.map(|(call, outcome)| Ended { call, outcome, whole: false }));
                }
                BatchOutcome::Whole(outcome) => {
                    let all = open.into_iter();
                    ended.extend(all.map(|call| Ended { call, outcome: outcome.clone(), whole: true }));
                }
                BatchOutcome::Singly { why } => refused = Some(Refused { attempts: called, instance, why }),
            }
            Brought { attempts: count, ended, refused }
        }));
    }

    fn call<'a>(&'a self, attempt: &'a Attempt) -> Call<'a> {
        Call {
            message_id: attempt.message_id,
            subject: &attempt.subject,
            headers: &attempt.headers,
            payload: &attempt.body,
            consumer: &self.consumer,
            attempt: attempt.attempts,
            fence: attempt.fence,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    /// The next call that ends; `None` when there is none.
    pub(super) async fn next(&mut self) -> Option<Brought> {
        self.running.next().await
    }

    /// A call that has ended already.
    pub(super) fn try_next(&mut self) -> Option<Brought> {
        self.running.next().now_or_never().flatten()
    }
}

async fn answer(handler: &Handler, single: Single) -> Answer {
    let answer = handler.call(single).await;
    failpoint!("dispatch.answer.after" => return cut_off());
    answer
}

async fn batch_answer(handler: &Handler, bodies: Vec<Bytes>) -> BatchOutcome {
    let answer = handler.call_batch(bodies).await;
    failpoint!("dispatch.batch_answer.after" => return BatchOutcome::Whole(outcome(&cut_off())));
    answer
}

/// An answer that did not come, though the handler may have given one: for failpoints.
#[cfg(debug_assertions)]
fn cut_off() -> Answer {
    Answer::CutOff("lost at a failpoint".to_owned())
}

/// Such a message is recorded as malformed; one that was not is no less so now.
fn not_json(error: &serde_json::Error) -> Outcome {
    Outcome::Poison(format!("the payload is not JSON: {error}"))
}

impl OpenCall {
    fn of(attempt: &Attempt, call: &Call<'_>) -> Self {
        Self {
            id: attempt.message_id,
            fence: attempt.fence,
            attempts: attempt.attempts,
            event_type: attempt.event_type.clone().unwrap_or_default(),
            correlation_id: call.header(header::CORRELATION_ID).unwrap_or_default().to_owned(),
            occurred_at: call
                .header(header::OCCURRED_AT)
                .and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok()),
            started_at: Instant::now(),
        }
    }

    /// Measures a settled call.
    pub(super) fn observe(&self, measures: &Measures, processed: bool) {
        measures.settled(self.started_at.elapsed());
        if let Some(occurred_at) = self.occurred_at.filter(|_| processed) {
            // Another context's clock may be ahead.
            measures
                .handled((OffsetDateTime::from(wall_clock()) - occurred_at).try_into().unwrap_or_default());
        }
    }
}
