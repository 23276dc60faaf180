//! One event on its way to its answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use uuid::Uuid;

use crate::answer::{Answer, Fault, Verdict};
use crate::event::Call;
use crate::handlers::Handlers;
use crate::inbox::Attempt;
use crate::prepared::{Prepared, Reaction};

/// What is to be done about an event, until it has its answer.
pub(crate) struct Job {
    pub(crate) about: About,
    /// None when there is nothing to do.
    pub(crate) work: Option<Work>,
    answer: Option<Answer>,
    pub(crate) fault: Option<Fault>,
}

/// What a log line finds the event by.
pub(crate) struct About {
    pub(crate) attempt: Attempt,
    pub(crate) correlation_id: Uuid,
    pub(crate) event_type: String,
    pub(crate) event_version: i32,
    pub(crate) count: i32,
}

pub(crate) struct Work {
    pub(crate) prepared: Box<dyn Prepared>,
    reaction: Arc<dyn Reaction>,
    pub(crate) shares: bool,
}

impl Job {
    pub(crate) fn new(handlers: &Handlers, call: Call) -> Self {
        let about = About::of(&call);
        let mut job = Self { about, work: None, answer: None, fault: None };
        match handlers.reaction(&call.event_type, call.event_version) {
            None => job.answer = Some(Answer::not_handled(&call.event_type, call.event_version)),
            Some(None) => job.answer = Some(Answer::nothing_to_do()),
            Some(Some(reaction)) => job.prepare(reaction, handlers.shares(reaction.as_ref()), call),
        }
        job
    }

    fn prepare(&mut self, reaction: &Arc<dyn Reaction>, shares: bool, call: Call) {
        // A type that the application wrote may panic when it is read.
        match catch_unwind(AssertUnwindSafe(|| reaction.prepare(call))) {
            Ok(Ok(prepared)) => self.work = Some(Work { prepared, reaction: Arc::clone(reaction), shares }),
            Ok(Err(why)) => {
                self.answer = Some(Answer::new(422, format!("the payload does not validate: {why}")));
            }
            Err(_) => self.failed(Fault::Panicked),
        }
    }

    /// The work of a job that has no answer yet.
    pub(crate) fn open(&self) -> Option<&Work> {
        self.work.as_ref().filter(|_| self.answer.is_none())
    }

    pub(crate) fn asks(&self) -> bool {
        self.open().is_some_and(|work| work.reaction.asks())
    }

    pub(crate) fn shares(&self) -> bool {
        self.open().is_some_and(|work| work.shares)
    }

    /// An attempt that may run stays open.
    pub(crate) fn judged(&mut self, verdict: Verdict) {
        self.answer = Answer::to_verdict(verdict);
    }

    pub(crate) fn done(&mut self) {
        self.answer = Some(Answer::done());
    }

    pub(crate) fn failed(&mut self, fault: Fault) {
        self.failed_by(&fault);
        self.fault = Some(fault);
    }

    /// By a fault of several.
    pub(crate) fn failed_by(&mut self, fault: &Fault) {
        self.answer = Some(Answer::to_fault(fault, self.about.count));
    }

    pub(crate) fn answer(&self) -> Answer {
        self.answer.clone().unwrap_or_else(|| Answer::new(500, "nothing came of it"))
    }
}

impl Work {
    /// Whether both go to one call of a handler for many.
    pub(crate) fn is_handled_with(&self, other: &Self) -> bool {
        self.reaction.many() && Arc::ptr_eq(&self.reaction, &other.reaction)
    }
}

impl About {
    fn of(call: &Call) -> Self {
        Self {
            attempt: Attempt {
                message_id: call.message_id,
                consumer: call.consumer.clone(),
                fence: call.fence,
            },
            correlation_id: call.correlation_id,
            event_type: call.event_type.clone(),
            event_version: call.event_version,
            count: call.attempt,
        }
    }
}
