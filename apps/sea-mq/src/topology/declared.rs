use clap::Args;
use sea_mq_config::{NatsSettings, Settings};
use sea_mq_event::ContextName;
use sea_mq_stream::{Broker, ContextTopology, SubscriptionTopology};

use crate::broker::{self, is_name};
use crate::failure::Failure;

/// What a topology command compares: the worker's settings, or with `--context` these options.
#[derive(Debug, Args)]
pub(crate) struct TopologyArgs {
    /// Declare from these options; without it from the worker's settings in this environment.
    #[arg(long, value_name = "NAME", value_parser = crate::context::parse)]
    context: Option<ContextName>,
    /// Comma-separated; otherwise NATS_SERVERS. Log-in and TLS come from NATS_USER, NATS_PASSWORD etc.
    #[arg(long, value_name = "URL,…", value_delimiter = ',')]
    nats_servers: Vec<String>,
    /// What the context consumes; may be given several times. DURABLE is NAME__from_SOURCE by default.
    #[arg(long, value_name = "STREAM:FILTER[:DURABLE]", requires = "context", value_parser = Subscribed::parse)]
    subscribe: Vec<Subscribed>,
    /// Copies of each message: 1, 3 or 5 [default: 3].
    #[arg(long, value_name = "N", requires = "context", value_parser = parse_replicas)]
    replicas: Option<u32>,
    /// Size at which a stream refuses more [default: 10000000000].
    #[arg(long, value_name = "BYTES", requires = "context", value_parser = clap::value_parser!(u64).range(1_048_576..))]
    max_bytes: Option<u64>,
}

/// One `--subscribe`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Subscribed {
    stream: String,
    filter: String,
    durable: Option<String>,
}

impl Subscribed {
    fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let (stream, filter, durable) = match parts[..] {
            [stream, filter] => (stream, filter, None),
            [stream, filter, durable] => (stream, filter, Some(durable)),
            [] | [_] | [_, _, _, ..] => {
                return Err(
                    "write STREAM:FILTER or STREAM:FILTER:DURABLE, such as VIBESPRO_EVENTS:vibespro.event.>"
                        .to_owned(),
                );
            }
        };
        if !is_name(stream) || !durable.is_none_or(is_name) {
            return Err("a stream's or durable's name has letters, digits, `_` and `-` only".to_owned());
        }
        if filter.is_empty() || filter.contains(char::is_whitespace) || filter.split('.').any(str::is_empty) {
            return Err(format!("`{filter}` is not a subject filter, such as vibespro.event.>"));
        }
        Ok(Self { stream: stream.to_owned(), filter: filter.to_owned(), durable: durable.map(str::to_owned) })
    }

    /// `{context}__from_{source}`, the source being the filter's first token.
    fn declared(&self, context: &ContextName) -> SubscriptionTopology {
        let source = self.filter.split('.').next().unwrap_or_default();
        let durable = self.durable.clone().unwrap_or_else(|| format!("{context}__from_{source}"));
        SubscriptionTopology::new(&self.stream, &self.filter, &durable)
    }
}

fn parse_replicas(text: &str) -> Result<u32, String> {
    match text {
        "1" => Ok(1),
        "3" => Ok(3),
        "5" => Ok(5),
        other => Err(format!("`{other}` is not 1, 3 or 5")),
    }
}

/// The declared topology and how to reach the broker that it is compared with.
pub(crate) struct Declared {
    pub(crate) topology: ContextTopology,
    nats: NatsSettings,
}

impl Declared {
    pub(crate) fn read(args: &TopologyArgs) -> Result<Self, Failure> {
        let mut declared = match &args.context {
            Some(context) => Self { topology: from_options(context, args), nats: NatsSettings::load()? },
            None => {
                let settings = Settings::load()?;
                Self { topology: from_settings(&settings), nats: settings.nats }
            }
        };
        if !args.nats_servers.is_empty() {
            declared.nats.servers.clone_from(&args.nats_servers);
        }
        Ok(declared)
    }

    pub(crate) async fn connect(&self) -> Result<Broker, Failure> {
        broker::connect(&self.nats, &self.topology.context, "sea-mq topology").await
    }
}

fn from_options(context: &ContextName, args: &TopologyArgs) -> ContextTopology {
    let mut topology = ContextTopology::new(context.clone(), args.replicas.unwrap_or(3));
    if let Some(bytes) = args.max_bytes {
        topology.max_bytes = bytes;
    }
    topology.subscriptions = args.subscribe.iter().map(|s| s.declared(context)).collect();
    topology
}

fn from_settings(settings: &Settings) -> ContextTopology {
    let subscriptions = settings
        .subscriptions
        .iter()
        .map(|s| SubscriptionTopology {
            ack_wait: s.ack_wait,
            max_deliver: s.max_deliver,
            max_ack_pending: u32::try_from(s.max_ack_pending).unwrap_or(u32::MAX),
            ..SubscriptionTopology::new(&s.stream, &s.subject, &s.durable)
        })
        .collect();
    ContextTopology {
        publish_stream: settings.publisher.stream.clone(),
        publish_prefix: settings.publisher.prefix.clone(),
        dlq_stream: settings.dlq_stream.clone(),
        dlq_prefix: settings.dlq_prefix.clone(),
        max_bytes: settings.stream_max_bytes,
        subscriptions,
        // 1, 3 or 5: the settings refuse everything else.
        ..ContextTopology::new(settings.context.clone(), u32::try_from(settings.stream_replicas).unwrap_or(3))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Subscribed, parse_replicas};
    use sea_mq_event::ContextName;

    #[test]
    fn subscriptions() {
        let context = ContextName::parse("sea").unwrap();
        for (text, durable) in [
            ("VIBESPRO_EVENTS:vibespro.event.>", "sea__from_vibespro"),
            ("VIBESPRO_EVENTS:vibespro.event.vibe_created.*:sea__vibes", "sea__vibes"),
        ] {
            assert_eq!(Subscribed::parse(text).unwrap().declared(&context).durable, durable, "{text}");
        }
        for bad in ["", "S", "S:", ":f.>", "S:a..b", "S:f:d:x", "S.T:f.>", "S:f.>:bad name"] {
            assert!(Subscribed::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn replicas() {
        assert_eq!(parse_replicas("5"), Ok(5));
        assert!(parse_replicas("2").is_err());
    }
}
