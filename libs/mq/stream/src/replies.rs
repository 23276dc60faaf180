use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::{Message, Subject};
use tokio::sync::oneshot;

use crate::state::{Denial, DeniedAction};

/// The replies that this connection waits for, all under one wildcard inbox.
///
/// One subscription serves thousands of requests in flight. What was given up is forgotten at
/// once, so a reply that never comes costs no memory; and what cannot come any more (connection
/// lost, subject denied) is answered at once instead of timing out.
#[derive(Debug)]
pub(crate) struct Replies {
    prefix: String,
    waiting: Mutex<HashMap<u64, Waiting>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Waiting {
    subject: Subject,
    sender: oneshot::Sender<Answer>,
}

/// What came instead of silence.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The reply.
    Reply(Box<Message>),
    /// The server does not permit the request; its own words.
    Denied(Denial),
    /// The connection was lost: the reply cannot come any more.
    Lost,
}

/// The right to one reply; dropping it gives the right up.
#[derive(Debug)]
pub(crate) struct Ticket {
    replies: Arc<Replies>,
    number: u64,
    receiver: oneshot::Receiver<Answer>,
}

impl Replies {
    /// `prefix` is the inbox with its trailing dot.
    pub(crate) fn new(prefix: String) -> Self {
        Self { prefix, waiting: Mutex::default(), next: AtomicU64::new(1) }
    }

    /// The subject that hears every reply.
    pub(crate) fn wildcard(&self) -> String {
        format!("{}*", self.prefix)
    }

    /// Opens a ticket for a request to `subject`.
    pub(crate) fn expect(self: &Arc<Self>, subject: Subject) -> Ticket {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.lock().insert(number, Waiting { subject, sender });
        Ticket { replies: Arc::clone(self), number, receiver }
    }

    /// Hands a reply to whoever waits for it; a reply that came too late is dropped.
    pub(crate) fn settle(&self, message: Message) {
        let number = message.subject.strip_prefix(self.prefix.as_str()).and_then(|token| token.parse().ok());
        if let Some(waiting) = number.and_then(|number: u64| self.lock().remove(&number)) {
            let _ = waiting.sender.send(Answer::Reply(Box::new(message)));
        }
    }

    /// Answers everything that the denial concerns.
    pub(crate) fn deny(&self, denial: &Denial) {
        let own_inbox = match denial.action {
            DeniedAction::Publish => false,
            DeniedAction::Subscribe | DeniedAction::Reply => denial.subject.starts_with(&self.prefix),
        };
        self.answer_where(
            |waiting| own_inbox || waiting.subject.as_str() == denial.subject,
            || Answer::Denied(denial.clone()),
        );
    }

    /// The connection is gone, and with it every reply.
    pub(crate) fn lose(&self) {
        self.answer_where(|_| true, || Answer::Lost);
    }

    fn answer_where(&self, concerned: impl Fn(&Waiting) -> bool, answer: impl Fn() -> Answer) {
        let taken: Vec<Waiting> =
            self.lock().extract_if(|_, waiting| concerned(waiting)).map(|(_, waiting)| waiting).collect();
        for waiting in taken {
            let _ = waiting.sender.send(answer());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Waiting>> {
        // The map is sound after any panic: every change to it is one call.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().len()
    }
}

impl Ticket {
    /// The reply subject of this request.
    pub(crate) fn inbox(&self) -> String {
        format!("{}{}", self.replies.prefix, self.number)
    }

    /// Waits for what comes; the caller bounds the time.
    pub(crate) async fn answer(&mut self) -> Answer {
        (&mut self.receiver).await.unwrap_or(Answer::Lost)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.replies.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_nats::Message;

    use super::{Answer, Replies};
    use crate::state::{Denial, DeniedAction};

    fn reply(subject: &str) -> Message {
        Message {
            subject: subject.to_owned().into(),
            reply: None,
            payload: "yes".into(),
            headers: None,
            status: None,
            description: None,
            length: 3,
        }
    }

    #[tokio::test]
    async fn a_reply_finds_its_request_and_nothing_is_kept() {
        let replies = Arc::new(Replies::new("_INBOX_sea.x.".to_owned()));
        let mut first = replies.expect("a".into());
        let second = replies.expect("b".into());
        replies.settle(reply(&first.inbox()));
        replies.settle(reply("_INBOX_sea.x.99"));
        replies.settle(reply("_INBOX_sea.y.1"));
        assert!(matches!(first.answer().await, Answer::Reply(_)));
        drop(second);
        assert_eq!(replies.len(), 0);
    }

    #[tokio::test]
    async fn a_denial_answers_its_subject_only() {
        let replies = Arc::new(Replies::new("_INBOX_sea.x.".to_owned()));
        let mut denied = replies.expect("a.b".into());
        let mut other = replies.expect("a.c".into());
        let text = "no".to_owned();
        replies.deny(&Denial { action: DeniedAction::Publish, subject: "a.b".to_owned(), text });
        assert!(matches!(denied.answer().await, Answer::Denied(_)));
        replies.lose();
        assert!(matches!(other.answer().await, Answer::Lost));
    }
}
