//! Writes what answers mean into the inbox, in groups.

use sea_mq_dispatch::Settlement;
use sea_mq_inbox::{GivenUp, Inbox, InboxError, Processed, Retry, Settled};
use uuid::Uuid;

use super::calls::OpenCall;

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

/// Writes a group: at most one statement for each kind of settlement.
pub(super) async fn settle(inbox: &Inbox, group: Vec<ToSettle>) -> SettledGroup {
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
                for item in asked {
                    let how = settled.iter().find(|(id, _)| *id == item.id).map(|(_, how)| *how);
                    self.done.push((item, how.unwrap_or(Settled::Outdated)));
                }
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
        Settlement::GiveBack { error } => (std::time::Duration::ZERO, error, false, true),
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
