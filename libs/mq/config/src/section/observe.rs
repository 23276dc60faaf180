use std::net::{IpAddr, Ipv4Addr};

use sea_mq_event::ContextName;
use url::Url;

use crate::describe::Listing;
use crate::reader::Reader;

/// Where the worker can be watched.
#[derive(Clone, Debug)]
pub struct ObserveSettings {
    /// Address that health and metrics are served on.
    pub metrics_host: IpAddr,
    /// Port of the same; 0 lets the system choose.
    pub metrics_port: u16,
    /// Form of the log lines.
    pub log_format: LogFormat,
    /// Which lines are logged, in the syntax of `RUST_LOG`; `None` for the default.
    pub log_filter: Option<String>,
    /// Where traces are to be sent, `http://host:port` or `https://…`.
    pub otlp_endpoint: Option<String>,
}

/// Form of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For reading at a terminal.
    Human,
    /// One JSON object a line.
    Json,
}

impl ObserveSettings {
    pub(crate) fn read(reader: &Reader<'_>, context: Option<&ContextName>) -> Self {
        let formats = [("human", LogFormat::Human), ("json", LogFormat::Json)];
        Self {
            metrics_host: host(reader),
            metrics_port: reader.number("metrics_port", default_port(context), 0..=u16::MAX),
            log_format: reader.choice("log_format", LogFormat::Human, &formats),
            log_filter: reader.find(&["rust_log"]).map(|found| found.text),
            otlp_endpoint: endpoint(reader),
        }
    }

    pub(crate) fn describe(&self, into: &mut Listing) {
        into.line("metrics_host", self.metrics_host);
        into.number("metrics_port", self.metrics_port);
        let format = match self.log_format {
            LogFormat::Human => "human",
            LogFormat::Json => "json",
        };
        into.line("log_format", format);
        if let Some(filter) = &self.log_filter {
            into.line("rust_log", filter);
        }
        if let Some(endpoint) = &self.otlp_endpoint {
            into.line("otel_exporter_otlp_endpoint", endpoint);
        }
    }
}

/// The first two contexts have ports of their own so that both run on one machine.
fn default_port(context: Option<&ContextName>) -> u16 {
    match context.map(ContextName::as_str) {
        Some("sea") => 9101,
        Some("vibespro") => 9102,
        Some(_) | None => 9100,
    }
}

fn host(reader: &Reader<'_>) -> IpAddr {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let Some(found) = reader.find(&["metrics_host"]) else { return loopback };
    found.text.parse().unwrap_or_else(|_| {
        let reason = "use an IP address: 127.0.0.1 for this machine only, 0.0.0.0 or :: for all";
        reader.problems.shown(&found.name, &found.text, reason);
        loopback
    })
}

fn endpoint(reader: &Reader<'_>) -> Option<String> {
    let found = reader.find(&["otel_exporter_otlp_endpoint"])?;
    if found.text.contains('@') {
        reader.problems.hidden(&found.name, "must not hold a user or password (value not shown)");
        return None;
    }
    let good =
        Url::parse(&found.text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !good {
        reader.problems.shown(
            &found.name,
            &found.text,
            "use http://host:port or \
         https://host:port",
        );
    }
    Some(found.text)
}
