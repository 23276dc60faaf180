//! Writing what answers mean into the inbox, in groups.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sea_mq_dispatch::Settlement;
use sea_mq_failpoint::failpoint;
use sea_mq_inbox::{GivenUp, Inbox, InboxError, Processed, Retry, Settled};
use uuid::Uuid;

use super::calls::OpenCall;
use super::standing::Unclear;
use super::{GROUP, HELD_AGAIN, Running, pause_on_error};

/// A group of fewer answers is waited with while the handler is fast, for so long.
const WORTH_A_STATEMENT: usize = 128;
pub(super) const GATHER_WITHIN: Duration = Duration::from_millis(20);

/// One answer to be written.
#[derive(Clone, Debug)]
pub(super) struct ToSettle {
    pub(super) id: Uuid,
    pub(super) fence: i64,
    pub(super) settlement: Settlement,
    /// The call that it answers; `None` for an attempt that was never answered.
    pub(super) call: Option<OpenCall>,
}

/// What a written group brought, and what could not be written.
pub(super) struct SettledGroup {
    pub(super) done: Vec<(ToSettle, Settled)>,
    pub(super) failed: Vec<ToSettle>,
    pub(super) error: Option<InboxError>,
}

impl Running {
    pub(super) fn start_settling(&mut self, now: Instant) {
        if self.slots.settling.is_some() {
            return;
        }
        let (again, later): (Vec<_>, Vec<_>) = self.held.drain(..).partition(|(at, _)| *at <= now);
        self.held = later;
        self.to_settle.extend(again.into_iter().map(|(_, item)| item));
        if self.to_settle.is_empty() || self.gathers(now) {
            return;
        }
        (self.settle_from, self.settle_at_once) = (None, false);
        let count = self.to_settle.len().min(GROUP);
        let group: Vec<ToSettle> = self.to_settle.drain(..count).collect();
        let inbox = self.d.inbox.clone();
        self.slots.settling = Some(Box::pin(async move {
            failpoint!("dispatch.settle.before" => {
                let error = Some(crate::lost::to_inbox("settle messages"));
                return SettledGroup { done: Vec::new(), failed: group, error };
            });
            let group = settle(&inbox, group).await;
            pause_on_error(group.error.is_some()).await;
            group
        }));
    }

    /// While the handler is fast, answers are gathered for a moment: a statement costs more than a row.
    fn gathers(&mut self, now: Instant) -> bool {
        let until = *self.settle_from.get_or_insert(now) + GATHER_WITHIN;
        !self.stopping
            && !self.settle_at_once
            && now < until
            && self.to_settle.len() < WORTH_A_STATEMENT
            && self.d.shared.book().pace.is_fast(now)
    }

    pub(super) fn settled(&mut self, group: SettledGroup) {
        if let Some(error) = &group.error {
            self.database_waits(error);
        }
        self.to_settle.extend(group.failed);
        let now = Instant::now();
        for (item, how) in group.done {
            match how {
                Settled::Held => {
                    self.d.shared.book().held(item.id);
                    self.held.push((now + HELD_AGAIN, item));
                }
                Settled::Done | Settled::AlreadyProcessed => self.written(&item, how),
                Settled::Outdated => {
                    if self.d.shared.book().is_running(item.id) {
                        self.unclear.push(Unclear { id: item.id, at: now, uncalled: false });
                    }
                }
            }
        }
    }

    pub(super) fn written(&mut self, item: &ToSettle, how: Settled) {
        self.d.progress.settled();
        let processed = how == Settled::AlreadyProcessed || item.settlement == Settlement::Processed;
        let mut book = self.d.shared.book();
        match &item.settlement {
            _any if processed => book.finished(item.id),
            Settlement::GiveBack { .. } => book.returned(item.id),
            Settlement::Processed | Settlement::Retry { .. } | Settlement::GiveUp { .. } => {
                book.blocked(item.id);
            }
        }
        drop(book);
        if matches!(item.settlement, Settlement::GiveUp { .. }) && !processed {
            self.letters_wake.notify_one();
        }
        if let Some(call) = &item.call {
            call.observe(&self.measures, processed);
        }
    }
}

/// Writes a group: at most one statement for each kind of settlement.
async fn settle(inbox: &Inbox, group: Vec<ToSettle>) -> SettledGroup {
    let (mut processed, mut retries, mut given_up) = (Vec::new(), Vec::new(), Vec::new());
    for item in group {
        match item.settlement {
            Settlement::Processed => processed.push(item),
            Settlement::Retry { .. } | Settlement::GiveBack { .. } => retries.push(item),
            Settlement::GiveUp { .. } => given_up.push(item),
        }
    }
    let mut group = SettledGroup { done: Vec::new(), failed: Vec::new(), error: None };
    if !processed.is_empty() {
        let rows: Vec<Processed> = processed.iter().map(|i| Processed { message_id: i.id }).collect();
        group.take(processed, inbox.settle_processed(&rows).await);
    }
    if !retries.is_empty() {
        let rows: Vec<Retry> = retries.iter().filter_map(retry).collect();
        group.take(retries, inbox.settle_retry(&rows).await);
    }
    if !given_up.is_empty() {
        let rows: Vec<GivenUp> = given_up.iter().filter_map(give_up).collect();
        group.take(given_up, inbox.settle_given_up(&rows).await);
    }
    group
}

impl SettledGroup {
    fn take(&mut self, asked: Vec<ToSettle>, result: Result<Vec<(Uuid, Settled)>, InboxError>) {
        match result {
            Ok(settled) => {
                let settled: HashMap<Uuid, Settled> = settled.into_iter().collect();
                self.done.extend(asked.into_iter().map(|item| {
                    let how = settled.get(&item.id).copied().unwrap_or(Settled::Outdated);
                    (item, how)
                }));
            }
            Err(error) => {
                self.failed.extend(asked);
                self.error = Some(error);
            }
        }
    }
}

fn retry(item: &ToSettle) -> Option<Retry> {
    let (delay, error, suspect, give_back) = match &item.settlement {
        Settlement::Retry { delay, error, suspect } => (*delay, error, *suspect, false),
        Settlement::GiveBack { error } => (Duration::ZERO, error, false, true),
        Settlement::Processed | Settlement::GiveUp { .. } => return None,
    };
    Some(Retry {
        message_id: item.id,
        fence: item.fence,
        delay,
        error: Some(error.clone()).filter(|error| !error.is_empty()),
        suspect,
        give_back,
    })
}

fn give_up(item: &ToSettle) -> Option<GivenUp> {
    match &item.settlement {
        Settlement::GiveUp { reason, error } => {
            Some(GivenUp { message_id: item.id, fence: item.fence, reason, error: error.clone() })
        }
        Settlement::Processed | Settlement::Retry { .. } | Settlement::GiveBack { .. } => None,
    }
}
