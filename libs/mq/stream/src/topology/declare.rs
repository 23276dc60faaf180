use std::time::Duration;

use sea_mq_event::ContextName;
use serde_json::{Value, json};

use super::difference::{Field, Rule};

/// Metadata key that says which context owns a stream or a durable consumer.
pub(crate) const OWNER_KEY: &str = "sea-mq.context";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What one context needs of JetStream, as its settings say it.
#[derive(Clone, Debug)]
pub struct ContextTopology {
    /// The context.
    pub context: ContextName,
    /// Its event stream, `{CONTEXT}_EVENTS`.
    pub publish_stream: String,
    /// The prefix of its events, `{context}.event.`, with the trailing dot.
    pub publish_prefix: String,
    /// Its dead-letter stream, `{CONTEXT}_DLQ`.
    pub dlq_stream: String,
    /// The prefix of its dead letters, `{context}.dlq.`, with the trailing dot.
    pub dlq_prefix: String,
    /// On how many servers each message is stored: 1, 3 or 5.
    pub replicas: u32,
    /// Size limit of each stream in bytes.
    pub max_bytes: u64,
    /// How long events are kept.
    pub max_age: Duration,
    /// How long dead letters are kept.
    pub dlq_max_age: Duration,
    /// Within what time a second message with the same id is dropped.
    pub duplicate_window: Duration,
    /// What it consumes.
    pub subscriptions: Vec<SubscriptionTopology>,
}

/// One subscription: a durable pull consumer on the stream of another context.
#[derive(Clone, Debug)]
pub struct SubscriptionTopology {
    /// The stream, such as `VIBESPRO_EVENTS`.
    pub stream: String,
    /// What of it, such as `vibespro.event.>`.
    pub filter: String,
    /// The consumer's name, such as `sea__from_vibespro`.
    pub durable: String,
    /// After what time an unacknowledged message is delivered again.
    pub ack_wait: Duration,
    /// How often a message is delivered at most.
    pub max_deliver: u32,
    /// How many messages may be delivered and unacknowledged.
    pub max_ack_pending: u32,
}

impl ContextTopology {
    /// The product's defaults for a context: names by convention, 10 GB, seven days of events,
    /// thirty days of dead letters, two minutes of deduplication, no subscription.
    #[must_use]
    pub fn new(context: ContextName, replicas: u32) -> Self {
        Self {
            publish_stream: context.event_stream(),
            publish_prefix: context.event_prefix(),
            dlq_stream: context.dead_letter_stream(),
            dlq_prefix: context.dead_letter_prefix(),
            context,
            replicas,
            max_bytes: 10_000_000_000,
            max_age: 7 * DAY,
            dlq_max_age: 30 * DAY,
            duplicate_window: Duration::from_secs(120),
            subscriptions: Vec::new(),
        }
    }
}

impl SubscriptionTopology {
    /// A subscription with the product's defaults: ack_wait 120 s, max_deliver 20, max_ack_pending 50.
    #[must_use]
    pub fn new(stream: &str, filter: &str, durable: &str) -> Self {
        Self {
            stream: stream.to_owned(),
            filter: filter.to_owned(),
            durable: durable.to_owned(),
            ack_wait: Duration::from_secs(120),
            max_deliver: 20,
            max_ack_pending: 50,
        }
    }
}

/// The declared streams and durable consumers of one context.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The context that owns all of it.
    pub owner: String,
    /// Its streams.
    pub streams: Vec<StreamDeclaration>,
    /// Its durable consumers, on whatever stream.
    pub durables: Vec<DurableDeclaration>,
}

/// A declared stream.
#[derive(Clone, Debug)]
pub struct StreamDeclaration {
    /// Its name.
    pub name: String,
    /// The subject that it stores.
    pub subject: String,
    /// How long messages are kept.
    pub max_age: Duration,
    /// Size limit in bytes.
    pub max_bytes: u64,
    /// On how many servers each message is stored.
    pub replicas: u32,
    /// Within what time a second message with the same id is dropped.
    pub duplicate_window: Duration,
}

/// A declared durable consumer.
#[derive(Clone, Debug)]
pub struct DurableDeclaration {
    /// The stream that it reads.
    pub stream: String,
    /// Its name.
    pub name: String,
    /// What of the stream it reads.
    pub filter: String,
    /// After what time an unacknowledged message is delivered again.
    pub ack_wait: Duration,
    /// How often a message is delivered at most.
    pub max_deliver: u32,
    /// How many messages may be delivered and unacknowledged.
    pub max_ack_pending: u32,
}

impl Topology {
    /// Declares what a context needs: its event stream, its dead-letter stream and a durable
    /// consumer for each subscription.
    #[must_use]
    pub fn for_context(context: &ContextTopology) -> Self {
        let stream = |name: &str, prefix: &str, max_age| StreamDeclaration {
            name: name.to_owned(),
            subject: format!("{prefix}>"),
            max_age,
            max_bytes: context.max_bytes,
            replicas: context.replicas,
            duplicate_window: context.duplicate_window,
        };
        Self {
            owner: context.context.to_string(),
            streams: vec![
                stream(&context.publish_stream, &context.publish_prefix, context.max_age),
                stream(&context.dlq_stream, &context.dlq_prefix, context.dlq_max_age),
            ],
            durables: context.subscriptions.iter().map(DurableDeclaration::from).collect(),
        }
    }
}

impl From<&SubscriptionTopology> for DurableDeclaration {
    fn from(subscription: &SubscriptionTopology) -> Self {
        Self {
            stream: subscription.stream.clone(),
            name: subscription.durable.clone(),
            filter: subscription.filter.clone(),
            ack_wait: subscription.ack_wait,
            max_deliver: subscription.max_deliver,
            max_ack_pending: subscription.max_ack_pending,
        }
    }
}

const RECREATE_STREAM: &str = "let its consumers finish, delete it by hand with `nats stream rm`, apply again, and bring back with `sea-mq replay` what is still needed";
const RECREATE_DURABLE: &str = "delete it by hand with `nats consumer rm` and apply again: it starts at the oldest event, and the inbox drops what it knows";

impl StreamDeclaration {
    /// Every field that is declared, the ones with which it is created included.
    pub(crate) fn fields(&self) -> Vec<Field> {
        let fixed = Rule::Fixed { way_out: RECREATE_STREAM };
        vec![
            Field::new("subjects", json!([self.subject]), json!([]), Rule::InPlace),
            Field::new("retention", json!("limits"), json!("limits"), fixed),
            Field::new("storage", json!("file"), json!("file"), fixed),
            Field::new("mirror", Value::Null, Value::Null, fixed),
            Field::new("sources", Value::Null, Value::Null, fixed),
            Field::new("no_ack", json!(false), json!(false), Rule::InPlace),
            Field::new("discard", json!("new"), json!("old"), Rule::InPlace),
            Field::new("max_age", nanos(self.max_age), json!(0), Rule::Shrinks),
            Field::new("max_bytes", json!(self.max_bytes), json!(-1), Rule::Shrinks),
            Field::new("max_msgs", json!(-1), json!(-1), Rule::InPlace),
            Field::new("max_msgs_per_subject", json!(-1), json!(-1), Rule::InPlace),
            Field::new("num_replicas", json!(self.replicas), json!(1), Rule::InPlace),
            Field::new("duplicate_window", nanos(self.duplicate_window), json!(0), Rule::InPlace),
        ]
    }
}

impl DurableDeclaration {
    /// Every field that is declared, the ones with which it is created included.
    pub(crate) fn fields(&self) -> Vec<Field> {
        let fixed = Rule::Fixed { way_out: RECREATE_DURABLE };
        vec![
            Field::new("deliver_subject", Value::Null, Value::Null, fixed),
            Field::new("deliver_policy", json!("all"), json!("all"), fixed),
            Field::new("ack_policy", json!("explicit"), json!("none"), fixed),
            Field::new("replay_policy", json!("instant"), json!("instant"), fixed),
            Field::new("priority_policy", Value::Null, Value::Null, fixed),
            Field::new("filter_subject", json!(self.filter), json!(""), Rule::Filter),
            Field::new("filter_subjects", Value::Null, Value::Null, Rule::InPlace),
            Field::new("ack_wait", nanos(self.ack_wait), json!(0), Rule::InPlace),
            Field::new("max_deliver", json!(self.max_deliver), json!(-1), Rule::InPlace),
            Field::new("max_ack_pending", json!(self.max_ack_pending), json!(0), Rule::InPlace),
            // A backoff would override ack_wait; a threshold would delete the durable when idle.
            Field::new("backoff", Value::Null, Value::Null, Rule::InPlace),
            Field::new("inactive_threshold", json!(0), json!(0), Rule::InPlace),
            Field::new("headers_only", json!(false), json!(false), Rule::InPlace),
            Field::new("max_batch", json!(0), json!(0), Rule::InPlace),
            Field::new("max_expires", json!(0), json!(0), Rule::InPlace),
            Field::new("max_bytes", json!(0), json!(0), Rule::InPlace),
        ]
    }
}

fn nanos(duration: Duration) -> Value {
    json!(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}
