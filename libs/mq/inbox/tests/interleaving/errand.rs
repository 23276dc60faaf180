//! Statements of the worker: sent by somebody, reaching the database now or later, when whoever sent
//! them may be gone. None may ever wait for a handler's transaction.

use std::time::Duration;

use sea_mq_inbox::{Arrival, GivenUp, Ingest, Processed, Recorded, Retry, Settled};
use uuid::Uuid;

use crate::handler::{Call, Caller};
use crate::schedule::{Style, When};
use crate::worker::name;
use crate::world::{Checked, World, pick};

#[derive(Clone, Copy, Debug)]
pub enum Settlement {
    Processed,
    Retry { suspect: bool },
    GiveBack,
    GiveUp(&'static str),
}

impl Settlement {
    /// What an answer means, as the contract says it; `None` is no answer.
    pub fn of(answer: Option<u16>, attempts: i32, max_deliver: i32) -> Self {
        match answer {
            Some(200 | 409) => Self::Processed,
            Some(422) => Self::GiveUp("poison"),
            Some(_) | None if attempts >= max_deliver => Self::GiveUp("max_deliver"),
            Some(_) => Self::Retry { suspect: false },
            None => Self::Retry { suspect: true },
        }
    }
}

#[derive(Clone, Debug)]
pub enum Errand {
    Record { by: Caller, ingest: Ingest, group: Vec<Arrival>, start: Option<Style> },
    Start { by: Caller, message: Uuid, style: Style },
    PutBehind { by: Caller, messages: Vec<Uuid> },
    Settle { by: Caller, message: Uuid, fence: i64, settlement: Settlement },
    MarkDead { by: Caller, message: Uuid, fence: i64 },
}

impl Errand {
    pub fn by(&self) -> Caller {
        match self {
            Self::Record { by, .. }
            | Self::Start { by, .. }
            | Self::PutBehind { by, .. }
            | Self::Settle { by, .. }
            | Self::MarkDead { by, .. } => *by,
        }
    }

    /// The messages that it may start.
    pub fn starts(&self) -> Vec<Uuid> {
        match self {
            Self::Start { message, .. } => vec![*message],
            Self::Record { group, .. } => group.iter().filter(|a| a.start).map(|a| a.message_id).collect(),
            Self::PutBehind { .. } | Self::Settle { .. } | Self::MarkDead { .. } => Vec::new(),
        }
    }

    /// Who settles this attempt with it, if it does.
    pub fn settles(&self, id: Uuid, of: i64) -> Option<Caller> {
        match self {
            Self::Settle { by, message, fence, .. } if (*message, *fence) == (id, of) => Some(*by),
            Self::Settle { .. }
            | Self::Record { .. }
            | Self::Start { .. }
            | Self::PutBehind { .. }
            | Self::MarkDead { .. } => None,
        }
    }
}

impl World<'_> {
    pub async fn send(&mut self, errand: Errand, when: When) -> Checked {
        match when {
            When::Now => self.carry_out(errand).await,
            When::Late => {
                self.say(format!("{} sends, late: {}", name(errand.by().worker), self.told(&errand)));
                self.late.push_back(errand);
                Ok(())
            }
        }
    }

    pub async fn arrive(&mut self, number: u8) -> Checked {
        let late: Vec<usize> = (0..self.late.len()).collect();
        let Some(errand) = pick(&late, number).and_then(|index| self.late.remove(index)) else {
            return Ok(());
        };
        self.carry_out(errand).await
    }

    fn told(&self, errand: &Errand) -> String {
        let event = |id: &Uuid| self.event_of(*id);
        match errand {
            Errand::Record { ingest, group, .. } => {
                let events: Vec<usize> = group.iter().map(|a| event(&a.message_id)).collect();
                format!("record {events:?} up to sequence {}", ingest.recorded_seq)
            }
            Errand::Start { message, style, .. } => {
                format!("start event {} for {:?}", event(message), style.isolation)
            }
            Errand::PutBehind { messages, .. } => {
                format!("put behind {:?}", messages.iter().map(event).collect::<Vec<_>>())
            }
            Errand::Settle { message, fence, settlement, .. } => {
                format!("settle attempt {fence} of event {} as {settlement:?}", event(message))
            }
            Errand::MarkDead { message, fence, .. } => {
                format!("mark event {} dead at fence {fence}", event(message))
            }
        }
    }

    async fn carry_out(&mut self, errand: Errand) -> Checked {
        let told = self.told(&errand);
        let who = name(errand.by().worker);
        let result = self.ask(errand).await;
        match &result {
            Ok(answer) => self.say(format!("{who}: {told}: {answer}")),
            Err(_) => self.say(format!("{who}: {told}")),
        }
        result.map(|_| ())
    }

    async fn ask(&mut self, errand: Errand) -> Checked<String> {
        match errand {
            Errand::Record { by, ingest, group, start } => self.ask_record(by, ingest, group, start).await,
            Errand::Start { by, message, style } => self.ask_start(by, message, style).await,
            Errand::PutBehind { by, messages } => {
                self.inbox.put_behind(by.instance, &messages).await.map_err(waited)?;
                Ok("done".to_owned())
            }
            Errand::Settle { by, message, fence, settlement } => {
                self.ask_settle(by, message, fence, settlement).await
            }
            Errand::MarkDead { by: _, message, fence } => {
                let done = self.inbox.mark_dead(message, fence, self.plan.hold).await.map_err(waited)?;
                Ok(done.to_string())
            }
        }
    }

    async fn ask_record(
        &mut self,
        by: Caller,
        ingest: Ingest,
        group: Vec<Arrival>,
        start: Option<Style>,
    ) -> Checked<String> {
        let Recorded::New(new) = self.inbox.record(&ingest, &group).await.map_err(waited)? else {
            return Ok("the lease is lost".to_owned());
        };
        if self.buried.contains(&by.instance) {
            return Err("a buried instance has recorded".to_owned());
        }
        if self.is_there(by) {
            self.acked = self.acked.max(usize::try_from(ingest.recorded_seq).unwrap());
        }
        for arrival in group.iter().filter(|a| a.start && new.iter().any(|n| n.message_id == a.message_id)) {
            let Some(style) = start else { continue };
            self.call(by, arrival.message_id, (1, 1), style).await?;
        }
        Ok(format!("{} are new", new.len()))
    }

    async fn ask_start(&mut self, by: Caller, message: Uuid, style: Style) -> Checked<String> {
        let attempts = self.inbox.start(by.instance, &[message]).await.map_err(waited)?;
        let Some(attempt) = attempts.first() else { return Ok("not to be started".to_owned()) };
        if self.buried.contains(&by.instance) {
            return Err("a buried instance has started an attempt".to_owned());
        }
        self.call(by, message, (attempt.fence, attempt.attempts), style).await?;
        Ok(format!("attempt {}", attempt.fence))
    }

    /// A started attempt becomes a call, if its process is there.
    async fn call(&mut self, by: Caller, message: Uuid, started: (i64, i32), style: Style) -> Checked {
        let (fence, attempts) = started;
        if !self.started.insert((message, fence)) {
            return Err(format!("attempt {fence} of event {} was started twice", self.event_of(message)));
        }
        if !self.is_there(by) {
            return Ok(());
        }
        let event = self.event_of(message);
        self.deliver(Call { by, event, message, fence, attempts }, style, true).await;
        Ok(())
    }

    async fn ask_settle(
        &mut self,
        by: Caller,
        message: Uuid,
        fence: i64,
        settlement: Settlement,
    ) -> Checked<String> {
        let retry = |suspect, give_back| Retry {
            message_id: message,
            fence,
            delay: Duration::ZERO,
            error: Some("failed".to_owned()),
            suspect,
            give_back,
        };
        let settled = match settlement {
            Settlement::Processed => self.inbox.settle_processed(&[Processed { message_id: message }]).await,
            Settlement::Retry { suspect } => self.inbox.settle_retry(&[retry(suspect, false)]).await,
            Settlement::GiveBack => self.inbox.settle_retry(&[retry(false, true)]).await,
            Settlement::GiveUp(reason) => {
                let error = "given up".to_owned();
                self.inbox.settle_given_up(&[GivenUp { message_id: message, fence, reason, error }]).await
            }
        };
        let settled = settled.map_err(waited)?[0].1;
        if settled == Settled::Done && matches!(settlement, Settlement::GiveUp(_)) {
            self.given_up.insert((message, fence));
        }
        if settled == Settled::Held {
            self.held(Errand::Settle { by, message, fence, settlement })?;
        }
        Ok(format!("{settled:?}"))
    }

    /// It is tried again later; and somebody does hold it.
    fn held(&mut self, errand: Errand) -> Checked {
        let Errand::Settle { by, message, .. } = &errand else { return Ok(()) };
        if !self.handlers.iter().any(|h| h.call.message == *message && h.holds) {
            return Err(format!("event {} is told to be held, by nobody", self.event_of(*message)));
        }
        if self.is_there(*by) {
            self.late.push_back(errand);
        }
        Ok(())
    }
}

#[allow(clippy::needless_pass_by_value)]
fn waited(error: sea_mq_inbox::InboxError) -> String {
    format!("a statement of the worker failed, or waited for a handler's transaction: {error:?}")
}
