//! Attempts: started in the database, called, answered; and a handler that is not there.

use std::time::{Duration, Instant};

use sea_mq_dispatch::{Outcome, Settlement, settlement};
use sea_mq_failpoint::failpoint;
use sea_mq_inbox::{Attempt, InboxError};
use sea_mq_observe::{Status, metric};
use uuid::Uuid;

use super::calls::{Ended, OpenCall};
use super::settling::ToSettle;
use super::standing::Unclear;
use super::{GROUP, HELD_AGAIN, Reserved, Running, pause_on_error};
use crate::leases::is_valid;

impl Running {
    pub(super) fn start_starting(&mut self, now: Instant) {
        if self.slots.starting.is_some() {
            return;
        }
        let asked = self.d.shared.book().start(now, GROUP);
        if asked.is_empty() {
            return;
        }
        let (inbox, instance) = (self.d.inbox.clone(), self.instance);
        self.slots.starting = Some(Box::pin(async move {
            let started = inbox.start(instance, &asked).await;
            pause_on_error(started.is_err()).await;
            (instance, asked, started)
        }));
    }

    pub(super) fn started(
        &mut self,
        instance: Uuid,
        asked: &[Uuid],
        result: Result<Vec<Attempt>, InboxError>,
    ) {
        match result {
            Ok(attempts) => {
                let now = Instant::now();
                for id in asked.iter().filter(|id| !attempts.iter().any(|a| a.message_id == **id)) {
                    // Held by a handler's transaction or by a start that was not answered, or moved on
                    // by somebody: to be looked at.
                    self.d.shared.book().not_called(*id, now);
                    self.unclear.push(Unclear { id: *id, at: now + HELD_AGAIN, uncalled: true });
                }
                self.take_up(instance, attempts);
            }
            Err(error) => {
                // They may have been started: how they stand decides.
                self.database_waits(&error);
                let now = Instant::now();
                for id in asked {
                    self.d.shared.book().not_called(*id, now);
                    self.unclear.push(Unclear { id: *id, at: now, uncalled: true });
                }
            }
        }
    }

    /// What ingest has recorded as started is called as soon as a call is free; of what it does not
    /// know whether it is, the standing is looked at.
    pub(super) fn reserved(&mut self, Reserved { instance, started, doubtful }: Reserved) {
        let now = Instant::now();
        for id in doubtful {
            self.d.shared.book().answered(id, now);
            self.unclear.push(Unclear { id, at: now, uncalled: true });
        }
        self.take_up(instance, started);
    }

    /// Attempts of this life are called as soon as a call is free; others may have had the lanes of
    /// an earlier one.
    fn take_up(&mut self, instance: Uuid, attempts: Vec<Attempt>) {
        if instance == self.instance {
            return self.waiting.extend(attempts);
        }
        let now = Instant::now();
        for attempt in attempts {
            self.give_back(attempt.message_id, attempt.fence, now);
        }
    }

    /// Calls for what was started, as far as calls are free. What may not be called any more goes
    /// back uncounted.
    pub(super) async fn start_calls(&mut self, now: Instant, stopping: bool) {
        if stopping || self.d.shared.book().pace.is_down() {
            return self.give_waiting_back();
        }
        if !is_valid(&self.d.leases.now()) {
            return;
        }
        self.give_front_back(now);
        let size = self.call_size(now);
        while self.may_call(now) {
            let group = self.next_group(size, now);
            if group.is_empty() {
                return;
            }
            failpoint!("dispatch.call.before" => {
                for attempt in group {
                    self.give_back(attempt.message_id, attempt.fence, now);
                }
                continue;
            });
            self.in_flight.extend(group.iter().map(|attempt| (attempt.message_id, attempt.fence)));
            self.d.shared.book().call_began(group.len());
            self.calls.start(group, self.instance);
        }
    }

    pub(super) fn give_waiting_back(&mut self) {
        let now = Instant::now();
        while let Some(attempt) = self.singly.pop_front().or_else(|| self.waiting.pop_front()) {
            self.give_back(attempt.message_id, attempt.fence, now);
        }
    }

    /// Gives back, uncounted, an attempt that was started and not called.
    pub(super) fn give_back(&mut self, id: Uuid, fence: i64, now: Instant) {
        self.d.shared.book().not_called(id, now);
        let settlement = Settlement::GiveBack { error: String::new() };
        self.to_settle.push(ToSettle { id, fence, settlement, call: None });
    }

    pub(super) fn ended(&mut self, Ended { call, outcome, whole }: Ended) {
        let now = Instant::now();
        self.in_flight.remove(&(call.id, call.fence));
        let consumer = self.d.inbox.consumer();
        self.measures.ended(&outcome);
        self.log_failure(&call, &outcome);
        let mut book = self.d.shared.book();
        book.answered(call.id, now);
        book.pace.ended(now);
        self.settle_at_once |= book.has_successor(call.id);
        self.d.shared.freed.notify_one();
        match &outcome {
            Outcome::Processed => {
                if let Some(event_type) = book.succeeded(call.id) {
                    tracing::info!(consumer, event_type, "the handler takes events of this type again");
                    self.recall.push(Some(event_type));
                    self.due_at = now;
                }
            }
            Outcome::Poison(_) => book.inconclusive(call.id),
            Outcome::Transient { wait, .. } => {
                if let Some(wait) = wait {
                    book.pace.overloaded(*wait, now);
                }
                // What befell a whole batch says little of each of its types: by themselves they will tell.
                if whole {
                    book.inconclusive(call.id);
                } else if let Some(event_type) = book.failed(call.id, now) {
                    tracing::warn!(
                        consumer,
                        event_type,
                        "the handler fails events of this type one after the other: trying one at a time until one succeeds"
                    );
                }
            }
            Outcome::NotReached(why) => {
                book.inconclusive(call.id);
                let went_down = book.pace.set_down(true);
                drop(book);
                self.handler_is_down(went_down, why);
            }
        }
        let settlement = settlement(outcome, call.attempts, &self.policy, rand::random());
        self.to_settle.push(ToSettle { id: call.id, fence: call.fence, settlement, call: Some(call) });
    }

    pub(super) fn log_failure(&self, open: &OpenCall, outcome: &Outcome) {
        let error = match outcome {
            Outcome::Processed => return,
            Outcome::Poison(error) | Outcome::NotReached(error) | Outcome::Transient { error, .. } => error,
        };
        let consumer = self.d.inbox.consumer();
        metric::handler_failures_total(consumer.to_owned(), open.event_type.clone()).increment(1);
        tracing::warn!(message_id = %open.id, correlation_id = open.correlation_id, consumer,
            attempt = open.attempts, event_type = open.event_type, error, "the handler did not take an event");
    }

    pub(super) fn handler_is_down(&mut self, went_down: bool, why: &str) {
        if !went_down && self.slots.probing.is_some() {
            return;
        }
        let address = self.d.handler.place().to_owned();
        tracing::warn!(
            consumer = self.d.inbox.consumer(),
            handler = address,
            why,
            "waiting for the handler: it is not listening; no attempt is counted"
        );
        self.d.health.set(&self.handler_check(), Status::down(format!("{address} is not listening: {why}")));
        let handler = self.d.handler.clone();
        self.slots.probing = Some(Box::pin(async move {
            let mut wait = Duration::from_millis(50);
            while handler.probe().await.is_err() {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_millis(500));
            }
        }));
    }

    pub(super) fn handler_is_back(&mut self) {
        self.d.shared.book().pace.set_down(false);
        self.d.health.set(&self.handler_check(), Status::Up);
        tracing::info!(consumer = self.d.inbox.consumer(), "the handler is listening again");
        self.due_at = Instant::now();
        self.batching.ask_by(Instant::now());
    }
}
