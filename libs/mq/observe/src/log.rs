use std::io::IsTerminal;

use sea_mq_config::LogFormat;
use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::error::ObserveError;
use crate::json_log::FlatJson;

/// What is logged unless `RUST_LOG` says otherwise: the drivers speak up only to warn.
pub const DEFAULT_LOG_FILTER: &str =
    "info,async_nats=warn,axum=warn,hyper=warn,hyper_util=warn,rustls=warn,sqlx=warn";

/// Writes log lines to standard error from now on. `filter` is in the syntax of `RUST_LOG`;
/// `None` is [`DEFAULT_LOG_FILTER`]. When logging is already set up, it stays as it is.
///
/// # Errors
/// [`ObserveError::LogFilter`] when the filter cannot be understood.
pub fn init_logs(format: LogFormat, filter: Option<&str>) -> Result<(), ObserveError> {
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let subscriber = subscriber(format, filter, colours, std::io::stderr)?;
    // A second call, as in tests, is refused by the global slot and changes nothing.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(())
}

/// Filter and form stacked on a registry of spans; an exporter of traces is one layer more.
fn subscriber<W>(
    format: LogFormat,
    filter: Option<&str>,
    colours: bool,
    writer: W,
) -> Result<impl Subscriber + Send + Sync, ObserveError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = filter.unwrap_or(DEFAULT_LOG_FILTER);
    let directives = EnvFilter::try_new(filter)
        .map_err(|source| ObserveError::LogFilter { filter: filter.to_owned(), source })?;
    let lines = match format {
        LogFormat::Human => fmt::layer().with_ansi(colours).with_writer(writer).boxed(),
        LogFormat::Json => {
            fmt::layer().fmt_fields(JsonFields::new()).event_format(FlatJson).with_writer(writer).boxed()
        }
    };
    Ok(Registry::default().with(directives).with(lines))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io;
    use std::sync::{Arc, Mutex};

    use sea_mq_config::LogFormat;
    use serde_json::{Value, json};
    use tracing_subscriber::fmt::MakeWriter;

    use super::{init_logs, subscriber};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'w> MakeWriter<'w> for Lines {
        type Writer = Self;
        fn make_writer(&'w self) -> Self {
            self.clone()
        }
    }

    fn logged(format: LogFormat, filter: Option<&str>, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let subscriber = subscriber(format, filter, false, lines.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_has_the_fields_of_the_event_and_its_spans_at_the_top() {
        let text = logged(LogFormat::Json, None, || {
            let consumer = tracing::info_span!("dispatch", consumer = "sea__from_vibespro", attempt = 1);
            let _outer = consumer.enter();
            let event = tracing::info_span!("event", message_id = %"0190", seen = tracing::field::Empty);
            let _inner = event.enter();
            event.record("seen", true);
            tracing::warn!(attempt = 2, error = ?"a\nb", level = "mine", ratio = 0.5, "handler \
             \"failed\"");
        });
        let line: Value = serde_json::from_str(text.strip_suffix('\n').unwrap()).unwrap();
        assert!(!text.trim_end().contains('\n'), "{text}");
        let expected = json!({
            "timestamp": line["timestamp"], "level": "WARN", "target": "sea_mq_observe::log::tests",
            "message": "handler \"failed\"", "consumer": "sea__from_vibespro", "message_id": "0190",
            "seen": true, "attempt": 2, "error": "\"a\\nb\"", "field.level": "mine", "ratio": 0.5,
        });
        assert_eq!(line, expected);
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{text}");
    }

    #[test]
    fn human_lines_carry_the_fields_too() {
        let text = logged(LogFormat::Human, None, || {
            let _span = tracing::info_span!("event", message_id = %"0190").entered();
            tracing::info!(attempt = 2, "handled");
        });
        for part in ["INFO", "handled", "message_id=0190", "attempt=2"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn filters() {
        for (filter, target_is_noisy, expected) in [
            (None, false, true),
            (None, true, false),
            (Some("error"), false, false),
            (Some("debug"), true, true),
        ] {
            let text = logged(LogFormat::Human, filter, || {
                if target_is_noisy {
                    tracing::info!(target: "async_nats", "event");
                } else {
                    tracing::info!("event");
                }
            });
            assert_eq!(!text.is_empty(), expected, "{filter:?} {target_is_noisy}");
        }
    }

    #[test]
    fn a_bad_filter_is_refused_and_a_second_start_is_not() {
        let error = init_logs(LogFormat::Json, Some("a=b=c")).unwrap_err().to_string();
        assert!(error.contains("RUST_LOG is \"a=b=c\""), "{error}");
        for format in [LogFormat::Human, LogFormat::Json] {
            init_logs(format, Some("off")).unwrap();
        }
    }
}
