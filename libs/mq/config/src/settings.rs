use std::path::PathBuf;
use std::time::Duration;

use sea_mq_event::ContextName;

use crate::describe::Listing;
use crate::layers::Layers;
use crate::problem::Problems;
use crate::reader::Reader;
use crate::section::database::DatabaseSettings;
use crate::section::dead_letters;
use crate::section::nats::NatsSettings;
use crate::section::observe::ObserveSettings;
use crate::section::publisher::PublisherSettings;
use crate::section::retention::RetentionSettings;
use crate::section::signing::SigningKeys;
use crate::section::subscription::{self, Subscription};
use crate::section::topology::{self, TopologyMode};

/// Everything that a worker is told, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The context that the worker serves.
    pub context: ContextName,
    /// The context's database.
    pub database: DatabaseSettings,
    /// The broker.
    pub nats: NatsSettings,
    /// What to do about streams and consumers at the start.
    pub topology: TopologyMode,
    /// Copies of each message: 1, 3 or 5.
    pub stream_replicas: usize,
    /// Size at which the context's event stream refuses more, in bytes.
    pub stream_max_bytes: u64,
    /// Publishing of the outbox.
    pub publisher: PublisherSettings,
    /// Folder of the contracts that events are checked against; `None`: nothing is checked.
    pub contracts_dir: Option<PathBuf>,
    /// What is consumed; empty for a worker that only publishes.
    pub subscriptions: Vec<Subscription>,
    /// What calls of the handlers are signed with.
    pub signing_keys: SigningKeys,
    /// Prefix of the subjects of dead letters; ends with `.`.
    pub dlq_prefix: String,
    /// Stream of the dead letters.
    pub dlq_stream: String,
    /// How long finished rows are kept.
    pub retention: RetentionSettings,
    /// Health, metrics and logs.
    pub observe: ObserveSettings,
    /// How long a worker that was asked to stop may finish what it has in hand.
    pub shutdown_grace: Duration,
}

impl Settings {
    /// Goes through every section whatever the ones before said, so that all problems are
    /// found at once. `None` when the context is unknown, which is then recorded.
    pub(crate) fn read(layers: &Layers, problems: &Problems) -> Option<Self> {
        let reader = &Reader::of_worker(layers, problems);
        let own = read_context(reader);
        let context = own.as_ref();
        let database = DatabaseSettings::read(reader);
        let nats = NatsSettings::read(reader);
        let topology = TopologyMode::read(reader);
        let stream_replicas = topology::read_replicas(reader);
        let stream_max_bytes = topology::read_max_bytes(reader);
        let publisher = PublisherSettings::read(reader, context);
        let contracts_dir = reader.find(&["contracts_dir"]).map(|found| PathBuf::from(found.text));
        let subscriptions = subscription::read_all(layers, problems, context);
        let signing_keys = SigningKeys::read(reader);
        let dlq_prefix = dead_letters::read_prefix(reader, context, &publisher);
        let dlq_stream = dead_letters::read_stream(reader, context, &publisher);
        let retention = RetentionSettings::read(reader);
        let observe = ObserveSettings::read(reader, context);
        let shutdown_grace = reader.secs("shutdown_grace_secs", 20, 0..=3_600);
        own.map(|context| Self {
            context,
            database,
            nats,
            topology,
            stream_replicas,
            stream_max_bytes,
            publisher,
            contracts_dir,
            subscriptions,
            signing_keys,
            dlq_prefix,
            dlq_stream,
            retention,
            observe,
            shutdown_grace,
        })
    }

    /// The settings in force, in the form of the configuration file, secrets as `***`.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut listing = Listing::default();
        let into = &mut listing;
        into.line("context", &self.context);
        self.database.describe(into);
        self.nats.describe(into);
        into.line("topology", self.topology.as_str());
        into.number("stream_replicas", self.stream_replicas);
        into.number("stream_max_bytes", self.stream_max_bytes);
        self.publisher.describe(into);
        if let Some(folder) = &self.contracts_dir {
            into.line("contracts_dir", folder.display());
        }
        self.signing_keys.describe(into);
        into.line("dlq_prefix", &self.dlq_prefix);
        into.line("dlq_stream", &self.dlq_stream);
        self.retention.describe(into);
        self.observe.describe(into);
        into.number("shutdown_grace_secs", self.shutdown_grace.as_secs());
        if self.subscriptions.is_empty() {
            into.note("no subscription: this worker only publishes");
        }
        for subscription in &self.subscriptions {
            into.subscription();
            subscription.describe(into);
        }
        listing.finish()
    }
}

fn read_context(reader: &Reader<'_>) -> Option<ContextName> {
    let Some(found) = reader.find(&["context"]) else {
        let name = reader.name("context");
        reader.problems.hidden(&name, "is required: the name of the bounded context, such as sea");
        return None;
    };
    let context = ContextName::parse(&found.text);
    if context.is_err() {
        let reason = "use lower snake case: a letter, then up to 39 letters, digits and `_`";
        reader.problems.shown(&found.name, &found.text, reason);
    }
    context.ok()
}
