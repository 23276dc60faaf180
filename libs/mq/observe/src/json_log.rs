use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Keys that every line has; a field of the same name moves behind `field.`.
const HEAD: &[&str] = &["timestamp", "level", "target"];

/// One JSON object a line: time, level, target, message, and beside them the fields of the
/// surrounding spans and of the event itself. The innermost wins, so that a log search by
/// `message_id` finds the line whoever set it. Needs span fields formatted as JSON.
pub(crate) struct FlatJson;

impl<S, N> FormatEvent<S, N> for FlatJson
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let metadata = event.metadata();
        let [level, target] = [metadata.level().as_str(), metadata.target()].map(Value::from);
        write!(writer, "{{\"timestamp\":\"{timestamp}\",\"level\":{level},\"target\":{target}")?;
        let mut fields = span_fields(context);
        event.record(&mut Fields(&mut fields));
        if let Some(message) = fields.remove("message") {
            write!(writer, ",\"message\":{message}")?;
        }
        for (name, value) in fields {
            let prefix = if HEAD.contains(&name.as_str()) { "field." } else { "" };
            write!(writer, ",{}:{value}", Value::from(format!("{prefix}{name}")))?;
        }
        writeln!(writer, "}}")
    }
}

/// Fields of the spans around the event, outermost first.
fn span_fields<S, N>(context: &FmtContext<'_, S, N>) -> Map<String, Value>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    let mut fields = Map::new();
    for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
        let extensions = span.extensions();
        let formatted = extensions.get::<FormattedFields<N>>().map(|formatted| &formatted.fields);
        let parsed = formatted.and_then(|text| serde_json::from_str::<Map<_, _>>(text).ok());
        fields.extend(parsed.into_iter().flatten());
    }
    fields
}

/// Collects an event's fields as JSON values.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}"));
    }
}
