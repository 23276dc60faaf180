use std::collections::BTreeMap;
use std::time::Duration;

use sea_mq_event::ContextName;

use crate::describe::Listing;
use crate::keys;
use crate::layers::Layers;
use crate::problem::Problems;
use crate::reader::{Reader, Scope};
use crate::section::source::{durable, handler_url, source};

/// One stream that the worker consumes, and how.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The stream that holds the events.
    pub stream: String,
    /// Filter on its subjects.
    pub subject: String,
    /// The durable consumer; instances that share it share the work.
    pub durable: String,
    /// Where events are posted to, `http://…`; or [`IN_PROCESS`](crate::IN_PROCESS).
    pub handler_url: String,
    /// Most messages of one pull.
    pub batch_size: usize,
    /// Most handler calls at once, in one instance.
    pub max_inflight: usize,
    /// Most messages that the server delivers ahead of their acks.
    pub max_ack_pending: usize,
    /// How long the server waits for an ack.
    pub ack_wait: Duration,
    /// Attempts of the handler before an event is dead-lettered.
    pub max_deliver: u32,
    /// Rows ready to run at which ingest stops pulling.
    pub inbox_window: usize,
    /// Rows waiting for a retry, or behind one, at which ingest stops pulling.
    pub inbox_waiting_max: usize,
    /// How long one call of the handler may take.
    pub handler_timeout: Duration,
    /// Pauses between attempts.
    pub retry: RetrySettings,
    /// What an aggregate does after one of its events was dead-lettered.
    pub on_dead_letter: OnDeadLetter,
}

/// Pauses between attempts: doubling from `base` up to `cap`, before jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySettings {
    /// The first pause.
    pub base: Duration,
    /// The longest pause.
    pub cap: Duration,
}

/// What an aggregate does after one of its events was dead-lettered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDeadLetter {
    /// Goes on with the next event.
    Continue,
    /// Waits until the event is redriven or discarded.
    Hold,
}

/// Every subscription, in the order of the file; empty for a worker that only publishes.
pub(crate) fn read_all(
    layers: &Layers,
    problems: &Problems,
    context: Option<&ContextName>,
) -> Vec<Subscription> {
    let tables = &layers.file.subscriptions;
    let subscriptions: Vec<Subscription> = if tables.is_empty() {
        let only = Readers::of_single(layers, problems);
        if only.identity.find(&["consume_stream", "consume_subject"]).is_none() {
            // Bad values stop a publisher too: they were meant for something.
            Subscription::read_working(&only.working);
            handler_url(&only.handler);
            return Vec::new();
        }
        Subscription::read(&only, context).into_iter().collect()
    } else {
        refuse_identity_beside_tables(layers, problems);
        (0..tables.len())
            .map(|index| Readers::of_table(layers, index, problems))
            .filter_map(|readers| Subscription::read(&readers, context))
            .collect()
    };
    refuse_shared_durables(&subscriptions, problems);
    subscriptions
}

/// Where the parts of one subscription are looked up.
struct Readers<'a> {
    /// What tells it from the others: a variable speaks of the first subscription only.
    identity: Reader<'a>,
    /// Its handler: likewise, but for the others the variable is still a default.
    handler: Reader<'a>,
    /// How it is worked: a variable speaks of all.
    working: Reader<'a>,
}

impl<'a> Readers<'a> {
    fn of_single(layers: &'a Layers, problems: &'a Problems) -> Self {
        let reader = || Reader::of_worker(layers, problems);
        Self { identity: reader(), handler: reader(), working: reader() }
    }

    fn of_table(layers: &'a Layers, index: usize, problems: &'a Problems) -> Self {
        let file = &layers.file;
        let env = Scope::Env(&layers.env);
        let top = Scope::File(&file.top, &file.path);
        let table = Scope::Table(&file.subscriptions[index], index + 1, &file.path);
        let reader = |scopes| Reader::new(scopes, problems);
        let working = reader(vec![env, table, top]);
        if index == 0 {
            let handler = reader(vec![env, table, top]);
            return Self { identity: reader(vec![env, table]), handler, working };
        }
        Self { identity: reader(vec![table]), handler: reader(vec![table, top, env]), working }
    }
}

impl Subscription {
    /// `None` when it cannot even be told what is consumed; the reason is recorded, and
    /// the rest is judged all the same.
    fn read(readers: &Readers<'_>, context: Option<&ContextName>) -> Option<Self> {
        let source = source(&readers.identity);
        let handler_url = handler_url(&readers.handler);
        if handler_url.is_none() && readers.handler.find(&["handler_url"]).is_none() {
            let name = readers.handler.name("handler_url");
            let reason = "is required when consuming, such as http://127.0.0.1:7001/handle";
            readers.handler.problems.hidden(&name, reason);
        }
        let unnamed = Self::read_working(&readers.working);
        let (stream, subject) = source.clone().unwrap_or_default();
        let durable = durable(&readers.identity, context, &stream, &subject);
        source.and(Some(Self { stream, subject, durable: durable?, handler_url: handler_url?, ..unnamed }))
    }

    /// How a subscription is worked, whatever it consumes.
    fn read_working(reader: &Reader<'_>) -> Self {
        let working = Self {
            stream: String::new(),
            subject: String::new(),
            durable: String::new(),
            handler_url: String::new(),
            batch_size: reader.number("batch_size", 50, 1..=10_000),
            max_inflight: reader.number("max_inflight", 25, 1..=10_000),
            max_ack_pending: reader.number("consumer_max_ack_pending", 50, 1..=100_000),
            ack_wait: reader.secs("ack_wait_secs", 120, 1..=86_400),
            max_deliver: reader.number("max_deliver", 20, 1..=1_000_000),
            inbox_window: reader.number("inbox_window", 1_000, 1..=10_000_000),
            inbox_waiting_max: reader.number("inbox_waiting_max", 100_000, 1..=100_000_000),
            handler_timeout: reader.secs("handler_timeout_secs", 30, 1..=3_600),
            retry: RetrySettings {
                base: reader.millis("retry_base_ms", 1_000, 1..=3_600_000),
                cap: reader.secs("retry_cap_secs", 900, 1..=86_400),
            },
            on_dead_letter: reader.choice(
                "on_dead_letter",
                OnDeadLetter::Continue,
                &[("continue", OnDeadLetter::Continue), ("hold", OnDeadLetter::Hold)],
            ),
        };
        working.validate(reader);
        working
    }

    fn validate(&self, reader: &Reader<'_>) {
        let RetrySettings { base, cap } = self.retry;
        if base > cap {
            let other = reader.name("retry_cap_secs");
            let reason = format!("use no more than {other}, which is {} s", cap.as_secs());
            let given = base.as_millis().to_string();
            reader.problems.shown(&reader.name("retry_base_ms"), &given, reason);
        }
        if self.inbox_waiting_max < self.inbox_window {
            let other = reader.name("inbox_window");
            let reason = format!("use no less than {other}, which is {}", self.inbox_window);
            let given = self.inbox_waiting_max.to_string();
            reader.problems.shown(&reader.name("inbox_waiting_max"), &given, reason);
        }
    }

    pub(crate) fn describe(&self, into: &mut Listing) {
        into.line("consume_stream", &self.stream);
        into.line("consume_subject", &self.subject);
        into.line("consumer_durable", &self.durable);
        into.line("handler_url", self.handler_url.split('?').next().unwrap_or_default());
        into.number("batch_size", self.batch_size);
        into.number("max_inflight", self.max_inflight);
        into.number("consumer_max_ack_pending", self.max_ack_pending);
        into.number("ack_wait_secs", self.ack_wait.as_secs());
        into.number("max_deliver", self.max_deliver);
        into.number("inbox_window", self.inbox_window);
        into.number("inbox_waiting_max", self.inbox_waiting_max);
        into.number("handler_timeout_secs", self.handler_timeout.as_secs());
        into.number("retry_base_ms", self.retry.base.as_millis());
        into.number("retry_cap_secs", self.retry.cap.as_secs());
        let on_dead_letter = match self.on_dead_letter {
            OnDeadLetter::Continue => "continue",
            OnDeadLetter::Hold => "hold",
        };
        into.line("on_dead_letter", on_dead_letter);
    }
}

/// Beside tables it would be open which subscription such a key speaks of.
fn refuse_identity_beside_tables(layers: &Layers, problems: &Problems) {
    let top = Scope::File(&layers.file.top, &layers.file.path);
    for key in keys::IDENTITY.iter().filter(|key| layers.file.top.contains_key(**key)) {
        problems.hidden(&top.name(key), "move it into the [[subscription]] that it speaks of");
    }
}

/// The durable's name is half of an inbox row's identity.
fn refuse_shared_durables(subscriptions: &[Subscription], problems: &Problems) {
    let mut first = BTreeMap::new();
    for (index, subscription) in subscriptions.iter().enumerate() {
        let number = index + 1;
        let earlier = *first.entry(subscription.durable.as_str()).or_insert(number);
        if earlier != number {
            let reason = format!(
                "subscription {number} ({}) has the same durable as subscription {earlier}; set \
                 consumer_durable in one of them",
                subscription.stream
            );
            problems.shown("consumer_durable", &subscription.durable, reason);
        }
    }
}
