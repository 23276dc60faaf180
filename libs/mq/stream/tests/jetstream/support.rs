use std::time::Duration;

use async_nats::jetstream::{self, consumer::pull, stream};
use bytes::Bytes;
use sea_mq_stack::{Binaries, NatsCluster, NatsOptions, StateDir, shared_nats};
use sea_mq_stream::{Broker, ConnectSettings, Delivery, Durable, Outgoing};

/// Long enough for anything that is to happen, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A stream of its own on the shared server.
pub(crate) struct Place {
    pub(crate) broker: Broker,
    pub(crate) js: jetstream::Context,
    pub(crate) stream: String,
    pub(crate) prefix: String,
}

pub(crate) fn unique() -> String {
    format!("t{}", uuid::Uuid::new_v4().simple())
}

pub(crate) fn settings(cluster: &NatsCluster) -> ConnectSettings {
    let mut settings = ConnectSettings::new(cluster.client_urls(), "test");
    settings.reconnect_delay = Duration::from_millis(50);
    settings
}

/// A server that the test may stop; quick to write, since no test outlives the machine.
pub(crate) async fn own_server(options: NatsOptions) -> NatsCluster {
    let options = NatsOptions { sync_interval: "2m".to_owned(), ..options };
    let (binaries, state) = (Binaries::find().unwrap(), StateDir::temporary().unwrap());
    let server = NatsCluster::start(&binaries, &state, options).await.unwrap();
    if server.nodes().len() > 1 {
        places_replicas(&server).await;
    }
    server
}

/// Waits until the leader of a cluster that has just begun knows what each of its nodes has room for.
async fn places_replicas(server: &NatsCluster) {
    let js = jetstream::new(async_nats::connect(server.client_urls()).await.unwrap());
    let probe = stream::Config {
        name: "PROBE".to_owned(),
        subjects: vec!["probe".to_owned()],
        num_replicas: server.nodes().len(),
        ..stream::Config::default()
    };
    until("replicas are placed", async || js.create_stream(probe.clone()).await.is_ok()).await;
    js.delete_stream("PROBE").await.unwrap();
}

pub(crate) async fn place() -> Place {
    place_with(|config| config).await
}

pub(crate) async fn place_with(change: impl FnOnce(stream::Config) -> stream::Config) -> Place {
    place_on(shared_nats().await.unwrap(), change).await
}

pub(crate) async fn place_on(
    server: &NatsCluster,
    change: impl FnOnce(stream::Config) -> stream::Config,
) -> Place {
    let client = async_nats::connect(server.client_urls()).await.unwrap();
    let js = jetstream::new(client);
    let prefix = unique();
    let stream = prefix.to_ascii_uppercase();
    let config = stream::Config {
        name: stream.clone(),
        subjects: vec![format!("{prefix}.event.>")],
        discard: stream::DiscardPolicy::New,
        ..stream::Config::default()
    };
    js.create_stream(change(config)).await.unwrap();
    Place { broker: Broker::connect(&settings(server)).await.unwrap(), js, stream, prefix }
}

impl Place {
    pub(crate) fn subject(&self, name: &str) -> String {
        format!("{}.event.{name}", self.prefix)
    }

    pub(crate) fn outgoing(&self, name: &str, id: &str) -> Outgoing {
        Outgoing {
            subject: self.subject(name),
            message_id: id.to_owned(),
            headers: vec![("X-Test".to_owned(), "yes".to_owned())],
            payload: Bytes::from(id.to_owned()),
        }
    }

    /// Publishes ids `from..=to`; they are stored in this order.
    pub(crate) async fn publish(&self, name: &str, ids: std::ops::RangeInclusive<u32>) {
        let sent: Vec<_> =
            ids.map(|id| self.broker.publish(&self.stream, self.outgoing(name, &id.to_string()))).collect();
        for stored in futures::future::join_all(sent).await {
            stored.unwrap();
        }
    }

    pub(crate) async fn create_durable(&self, change: impl FnOnce(&mut pull::Config)) {
        let mut config = pull::Config { durable_name: Some("d".to_owned()), ..pull::Config::default() };
        change(&mut config);
        let stream = self.js.get_stream(&self.stream).await.unwrap();
        stream.create_consumer(config).await.unwrap();
    }

    pub(crate) async fn durable(&self) -> Durable {
        self.broker.durable(&self.stream, "d").await.unwrap()
    }
}

/// Pulls until `count` messages are there.
pub(crate) async fn pull_all(durable: &mut Durable, count: usize, want: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    let work = async {
        while all.len() < count {
            all.extend(durable.next_group(want, want, Duration::from_secs(1)).await.unwrap());
        }
    };
    tokio::time::timeout(PATIENCE, work).await.expect("the messages did not come");
    all
}

pub(crate) fn bodies(group: &[Delivery]) -> Vec<String> {
    group.iter().map(|delivery| String::from_utf8_lossy(&delivery.body).into_owned()).collect()
}

pub(crate) fn numbers(range: std::ops::RangeInclusive<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// Waits until `condition` holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
