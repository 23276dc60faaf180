//! Plays the worker: makes messages up, calls with them, and looks at what became of them.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use crate::ConformError;
use crate::database::{Database, Held};
use crate::http::{Ask, Http, Place};
use crate::message::Message;
use crate::signing::{Secret, Signing, headers};
use crate::template::Template;
use crate::verdict::{After, Came, Measure, Status, of_answer, of_message};

/// What no answer may show.
pub(crate) const MARKER: &str = "conformMarker7f3a";
/// The least that is waited before a measured time is known.
const SHORTEST_CALL: Duration = Duration::from_millis(5);

/// What is played with.
pub(crate) struct Probe {
    pub(crate) http: Http,
    pub(crate) database: Database,
    pub(crate) subject: String,
    pub(crate) consumer: String,
    pub(crate) payload: Template,
    /// A payload that does not validate, when there is one.
    pub(crate) invalid: Option<Template>,
    pub(crate) secret: Option<Secret>,
    /// How long a connection is left idle.
    pub(crate) idle: Duration,
    /// How long a call may take to reach its mark.
    pub(crate) patience: Duration,
    pub(crate) measure: Measure,
    /// How long a call takes here.
    pub(crate) pace: Duration,
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    all: Vec<Message>,
    /// Those that the end says nothing more about.
    apart: HashSet<Uuid>,
}

/// What is played with, apart from what is learned on the way.
pub(crate) struct Start {
    pub(crate) http: Http,
    pub(crate) database: Database,
    pub(crate) subject: String,
    pub(crate) consumer: String,
    pub(crate) payload: Template,
    pub(crate) invalid: Option<Template>,
    pub(crate) secret: Option<Secret>,
    pub(crate) idle: Duration,
    pub(crate) patience: Duration,
    pub(crate) marks: bool,
}

impl Probe {
    pub(crate) fn new(start: Start) -> Self {
        Self {
            http: start.http,
            database: start.database,
            subject: start.subject,
            consumer: start.consumer,
            payload: start.payload,
            invalid: start.invalid,
            secret: start.secret,
            idle: start.idle,
            patience: start.patience,
            measure: Measure { once: 0, marks: start.marks },
            pace: SHORTEST_CALL,
            made: Mutex::default(),
        }
    }

    /// An event that the inbox does not know.
    pub(crate) fn unrecorded(&self) -> Result<Message, ConformError> {
        self.made_of(&self.subject, &self.payload)
    }

    /// An event whose first attempt has started.
    pub(crate) async fn message(&self) -> Result<Message, ConformError> {
        self.recorded(self.unrecorded()?).await
    }

    pub(crate) async fn messages(&self, count: usize) -> Result<Vec<Message>, ConformError> {
        let messages: Vec<Message> = (0..count).map(|_| self.unrecorded()).collect::<Result<_, _>>()?;
        self.database.record(&messages).await?;
        Ok(messages)
    }

    /// The same of another subject or with another payload.
    pub(crate) async fn message_of(
        &self,
        subject: &str,
        payload: &Template,
    ) -> Result<Message, ConformError> {
        self.recorded(self.made_of(subject, payload)?).await
    }

    /// Records it as running at its fence.
    pub(crate) async fn recorded(&self, message: Message) -> Result<Message, ConformError> {
        self.database.record(std::slice::from_ref(&message)).await?;
        Ok(message)
    }

    fn made_of(&self, subject: &str, payload: &Template) -> Result<Message, ConformError> {
        let message = Message::new(subject, &self.consumer, payload.fill(MARKER))?;
        self.lock().all.push(message.clone());
        Ok(message)
    }

    /// Every message that was made, once.
    pub(crate) fn made(&self) -> Vec<Message> {
        self.lock().all.clone()
    }

    pub(crate) fn is_apart(&self, id: Uuid) -> bool {
        self.lock().apart.contains(&id)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The signed request of a single call.
    pub(crate) fn ask(&self, message: &Message) -> Ask {
        self.signed(Self::plain(message), message.id, Signing::Right)
    }

    /// The same without a signature.
    pub(crate) fn plain(message: &Message) -> Ask {
        let mut ask = Ask::post(Place::Call, message.body());
        ask.headers.push(("traceparent", message.traceparent()));
        ask
    }

    pub(crate) fn signed(&self, mut ask: Ask, id: Uuid, signing: Signing) -> Ask {
        if let Some(secret) = &self.secret {
            ask.headers.extend(headers(secret, signing, &id.to_string(), &ask.body));
        }
        ask
    }

    pub(crate) async fn call(&self, message: &Message) -> Came {
        self.http.send(&self.ask(message)).await
    }

    /// Posts these bytes, signed.
    pub(crate) async fn post(&self, place: Place, body: impl Into<Bytes>) -> Came {
        self.http.send(&self.signed(Ask::post(place, body.into()), Uuid::new_v4(), Signing::Right)).await
    }

    /// Complaints about an answer, and about what became of its message.
    pub(crate) async fn judge(
        &self,
        message: &Message,
        came: &Came,
        status: Status,
        after: After,
    ) -> Result<Vec<String>, ConformError> {
        let mut complaints: Vec<String> = of_answer(status, came).into_iter().collect();
        complaints.extend(self.judge_message(message, after).await?);
        if !complaints.is_empty() {
            self.set_apart(message);
        }
        Ok(complaints)
    }

    /// Complaints about what became of a message.
    pub(crate) async fn judge_message(
        &self,
        message: &Message,
        after: After,
    ) -> Result<Option<String>, ConformError> {
        let found = self.database.find(message).await?;
        let complaint = of_message(after, &found, message.fence, self.measure);
        if complaint.is_some() {
            self.set_apart(message);
        }
        Ok(complaint)
    }

    /// To be left out of what is looked at in the end: a rule has complained about it.
    pub(crate) fn set_apart(&self, message: &Message) {
        self.lock().apart.insert(message.id);
    }

    /// Runs calls while the row is held: when so many of them wait for it, `next` is done in the holder's
    /// transaction, which then ends. Beside what came of them: whether they came that far.
    pub(crate) async fn while_held<T>(
        &self,
        mut held: Held,
        waiting: i64,
        calls: impl Future<Output = T>,
        next: impl AsyncFnOnce(&mut Held) -> Result<(), ConformError>,
    ) -> Result<(T, bool), ConformError> {
        let (mut calls, mut came, ended) = (pin!(calls), None, AtomicBool::new(false));
        let reached = {
            let mut waiting = pin!(held.until_waiting(waiting, self.patience, &ended));
            loop {
                tokio::select! {
                    biased;
                    looked = &mut waiting => break looked?,
                    early = &mut calls, if came.is_none() => {
                        came = Some(early);
                        ended.store(true, Ordering::Relaxed);
                    }
                }
            }
        };
        next(&mut held).await?;
        held.release().await?;
        match came {
            Some(came) => Ok((came, reached)),
            None => Ok((calls.await, reached)),
        }
    }
}
