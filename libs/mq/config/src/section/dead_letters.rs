use std::time::Duration;

use sea_mq_event::ContextName;

use crate::names::{name_problem, prefix_problem};
use crate::reader::Reader;
use crate::section::publisher::PublisherSettings;

/// How long a dead letter is kept: 30 days.
pub const DEAD_LETTER_MAX_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Prefix of the subjects that dead letters are published under.
pub(crate) fn read_prefix(
    reader: &Reader<'_>,
    context: Option<&ContextName>,
    publisher: &PublisherSettings,
) -> String {
    let default = context.map(ContextName::dead_letter_prefix).unwrap_or_default();
    let prefix = reader.text("dlq_prefix", &default);
    if let Some(found) = reader.find(&["dlq_prefix"])
        && let Some(reason) = prefix_problem(&found.text, context)
    {
        reader.problems.shown(&found.name, &found.text, reason);
    } else if context.is_some() && overlap(&prefix, &publisher.prefix) {
        // An event and a dead letter on the same subject would be stored in both streams.
        let other = reader.name("publish_prefix");
        let reason =
            format!("overlaps {other}, which is {:?}; neither may begin with the other", publisher.prefix);
        reader.problems.shown(&reader.name("dlq_prefix"), &prefix, reason);
    }
    prefix
}

/// Name of the stream that keeps dead letters.
pub(crate) fn read_stream(
    reader: &Reader<'_>,
    context: Option<&ContextName>,
    publisher: &PublisherSettings,
) -> String {
    let default = context.map(ContextName::dead_letter_stream).unwrap_or_default();
    let stream = reader.text("dlq_stream", &default);
    if let Some(found) = reader.find(&["dlq_stream"])
        && let Some(reason) = name_problem(&found.text)
    {
        reader.problems.shown(&found.name, &found.text, reason);
    } else if context.is_some() && stream == publisher.stream {
        let other = reader.name("publish_stream");
        let reason = format!("is also {other}; dead letters need a stream of their own");
        reader.problems.shown(&reader.name("dlq_stream"), &stream, reason);
    }
    stream
}

fn overlap(a: &str, b: &str) -> bool {
    a.starts_with(b) || b.starts_with(a)
}
