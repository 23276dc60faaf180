//! What a subscription consumes, as whom, and for which handler.

use sea_mq_event::ContextName;
use url::Url;

use crate::names::{context_of_stream, context_of_subject, filter_problem, name_problem};
use crate::reader::Reader;

/// Suffix of the short-lived consumer that reads a durable's missing range.
const GAP_SUFFIX: &str = "__gap";

/// Stream and filter; either follows from the other under the usual names.
pub(crate) fn source(reader: &Reader<'_>) -> Option<(String, String)> {
    let stream = reader.find(&["consume_stream"]);
    let subject = reader.find(&["consume_subject"]);
    let mut good = true;
    for (found, problem) in
        [(&stream, name_problem as fn(&str) -> Option<String>), (&subject, filter_problem)]
    {
        if let Some(found) = found
            && let Some(reason) = problem(&found.text)
        {
            reader.problems.shown(&found.name, &found.text, reason);
            good = false;
        }
    }
    let source = match (stream, subject) {
        (Some(stream), Some(subject)) => Some((stream.text, subject.text)),
        (Some(stream), None) => default_subject(reader, stream.text),
        (None, Some(subject)) => {
            let context = context_of_subject(&subject.text);
            context.map(|context| (context.event_stream(), subject.text))
        }
        (None, None) => {
            let name = reader.name("consume_stream");
            reader.problems.hidden(
                &name,
                "is required in every subscription, such as \
             VIBESPRO_EVENTS",
            );
            None
        }
    };
    source.filter(|_| good)
}

fn default_subject(reader: &Reader<'_>, stream: String) -> Option<(String, String)> {
    let context = context_of_stream(&stream);
    if context.is_none() && name_problem(&stream).is_none() {
        let reason = format!(
            "is required, since the stream's name {stream} does not tell it (VIBESPRO_EVENTS \
             would mean vibespro.event.>)"
        );
        reader.problems.hidden(&reader.name("consume_subject"), reason);
    }
    context.map(|context| (stream, format!("{}>", context.event_prefix())))
}

/// As said, else made from the group, else from the context whose events are consumed.
pub(crate) fn durable(
    reader: &Reader<'_>,
    context: Option<&ContextName>,
    stream: &str,
    subject: &str,
) -> Option<String> {
    let own = context.map(ContextName::as_str).unwrap_or_default();
    let Some(found) = reader.find(&["consumer_durable", "durable_name", "consumer_group"]) else {
        let source = context_of_subject(subject).or_else(|| context_of_stream(stream))?;
        return Some(format!("{own}__from_{source}"));
    };
    let durable =
        if found.key == "consumer_group" { format!("{own}__{}", found.text) } else { found.text.clone() };
    let reason = name_problem(&durable).or_else(|| {
        durable.ends_with(GAP_SUFFIX).then(|| {
            format!(
                "must not end in {GAP_SUFFIX}: the reader of missing ranges uses \
             such names"
            )
        })
    });
    if let Some(reason) = reason {
        reader.problems.shown(&found.name, &found.text, reason);
    }
    Some(durable)
}

/// Stands for a URL in a worker that has handlers of its own.
pub const IN_PROCESS: &str = "in-process";

/// Plain HTTP: the handler runs beside the worker. Or [`IN_PROCESS`]. `None` when not said or refused.
pub(crate) fn handler_url(reader: &Reader<'_>) -> Option<String> {
    let found = reader.find(&["handler_url"])?;
    if found.text.contains('@') {
        let reason = "must not hold a user or password (value not shown)";
        reader.problems.hidden(&found.name, reason);
        return None;
    }
    let is_http = Url::parse(&found.text).is_ok_and(|url| {
        url.scheme() == "http"
            && url.host_str().is_some_and(|host| !host.is_empty())
            && url.fragment().is_none()
    });
    if !is_http && found.text != IN_PROCESS {
        let reason = "use http://host:port/path: handlers run beside the worker and are called \
         without TLS; or in-process, in a worker that has handlers of its own";
        reader.problems.shown(&found.name, &found.text, reason);
    }
    Some(found.text)
}
