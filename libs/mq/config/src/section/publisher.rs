use sea_mq_event::ContextName;

use crate::describe::Listing;
use crate::names::{name_problem, prefix_problem};
use crate::reader::Reader;

/// Where and how fast the outbox is published.
#[derive(Clone, Debug)]
pub struct PublisherSettings {
    /// The stream that must acknowledge every event.
    pub stream: String,
    /// What every published subject begins with; ends with `.`.
    pub prefix: String,
    /// Most events that wait for their ack at once.
    pub in_flight_messages: usize,
    /// Most bytes that wait for their ack at once.
    pub in_flight_bytes: usize,
    /// Most rows of one claim.
    pub batch: usize,
}

impl PublisherSettings {
    /// Without a known context the defaults are blank: the start fails anyway.
    pub(crate) fn read(reader: &Reader<'_>, context: Option<&ContextName>) -> Self {
        let stream = context.map(ContextName::event_stream).unwrap_or_default();
        let prefix = context.map(ContextName::event_prefix).unwrap_or_default();
        let settings = Self {
            stream: reader.text("publish_stream", &stream),
            prefix: reader.text("publish_prefix", &prefix),
            in_flight_messages: reader.number("publish_in_flight_messages", 4_096, 1..=65_536),
            in_flight_bytes: reader.number(
                "publish_in_flight_bytes",
                16 * 1024 * 1024,
                1024 * 1024..=1024 * 1024 * 1024,
            ),
            batch: reader.number("publish_batch", 2_000, 1..=20_000),
        };
        settings.validate(reader, context);
        settings
    }

    fn validate(&self, reader: &Reader<'_>, context: Option<&ContextName>) {
        if let Some(found) = reader.find(&["publish_stream"])
            && let Some(reason) = name_problem(&found.text)
        {
            reader.problems.shown(&found.name, &found.text, reason);
        }
        if let Some(found) = reader.find(&["publish_prefix"])
            && let Some(reason) = prefix_problem(&found.text, context)
        {
            reader.problems.shown(&found.name, &found.text, reason);
        }
    }

    pub(crate) fn describe(&self, into: &mut Listing) {
        into.line("publish_stream", &self.stream);
        into.line("publish_prefix", &self.prefix);
        into.number("publish_in_flight_messages", self.in_flight_messages);
        into.number("publish_in_flight_bytes", self.in_flight_bytes);
        into.number("publish_batch", self.batch);
    }
}
