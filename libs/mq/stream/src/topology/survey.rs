use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::declare::{DurableDeclaration, StreamDeclaration};
use crate::api::CallError;
use crate::broker::Broker;
use crate::error::StreamError;
use crate::facts::{DurableFacts, StreamFacts};

/// What exists of a declared topology, and what stands around it.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The streams that exist, of those asked about.
    pub(super) streams: HashMap<String, StreamFacts>,
    /// The durables that exist, by stream and name.
    pub(super) durables: HashMap<(String, String), DurableFacts>,
    /// Names and subjects of every stream of the account.
    pub(super) neighbours: Vec<(String, Vec<String>)>,
    /// Storage of the account; `None` when it has no limit.
    pub(super) storage: Option<Storage>,
    /// True when the servers form a cluster.
    pub(super) clustered: bool,
}

/// Storage that an account has, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storage {
    pub(super) limit: u64,
    pub(super) reserved: u64,
}

#[derive(Deserialize)]
struct StreamPage {
    #[serde(default)]
    total: usize,
    #[serde(default)]
    streams: Option<Vec<Listed>>,
}

#[derive(Deserialize)]
struct Listed {
    config: Value,
}

#[derive(Deserialize)]
struct Account {
    #[serde(default)]
    reserved_storage: u64,
    limits: Limits,
}

#[derive(Deserialize)]
struct Limits {
    #[serde(default)]
    max_storage: i64,
}

/// Asks about each stream; those that do not exist are left out.
pub(super) async fn streams(
    broker: &Broker,
    names: impl Iterator<Item = &str>,
) -> Result<HashMap<String, StreamFacts>, StreamError> {
    let mut found = HashMap::new();
    for name in names {
        match broker.stream_info(name).await {
            Ok(facts) => {
                found.insert(name.to_owned(), facts);
            }
            Err(StreamError::StreamMissing { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Asks about each durable; those that do not exist are left out.
pub(super) async fn durables(
    broker: &Broker,
    declared: &[DurableDeclaration],
) -> Result<HashMap<(String, String), DurableFacts>, StreamError> {
    let mut found = HashMap::new();
    for durable in declared {
        match broker.consumer_info(&durable.stream, &durable.name).await {
            Ok(facts) => {
                found.insert((durable.stream.clone(), durable.name.clone()), facts);
            }
            Err(StreamError::ConsumerMissing { .. } | StreamError::StreamMissing { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Everything that a plan needs. Takes the provisioning user's permissions.
pub(super) async fn survey(
    broker: &Broker,
    declared: &[StreamDeclaration],
    durables_declared: &[DurableDeclaration],
) -> Result<Survey, StreamError> {
    let names = declared.iter().map(|stream| stream.name.as_str());
    let consumed = durables_declared.iter().map(|durable| durable.stream.as_str());
    Ok(Survey {
        streams: streams(broker, names.chain(consumed)).await?,
        durables: durables(broker, durables_declared).await?,
        neighbours: neighbours(broker).await?,
        storage: storage(broker).await?,
        clustered: broker.is_clustered(),
    })
}

async fn neighbours(broker: &Broker) -> Result<Vec<(String, Vec<String>)>, StreamError> {
    let explain = |error: CallError| error.explain("listing the streams".to_owned());
    let mut all = Vec::new();
    loop {
        let body = json!({ "offset": all.len() });
        let page: StreamPage = broker.call("STREAM.LIST", &body).await.map_err(explain)?;
        let listed = page.streams.unwrap_or_default();
        let came = listed.len();
        all.extend(listed.into_iter().map(|stream| name_and_subjects(&stream.config)));
        if came == 0 || all.len() >= page.total {
            return Ok(all);
        }
    }
}

fn name_and_subjects(config: &Value) -> (String, Vec<String>) {
    let name = config.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let subjects = config.get("subjects").and_then(Value::as_array);
    let texts = subjects.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    (name, texts.collect())
}

async fn storage(broker: &Broker) -> Result<Option<Storage>, StreamError> {
    let explain = |error: CallError| error.explain("reading the account's limits".to_owned());
    let account: Account = broker.call("INFO", &json!({})).await.map_err(explain)?;
    let limit = u64::try_from(account.limits.max_storage).ok().filter(|limit| *limit > 0);
    Ok(limit.map(|limit| Storage { limit, reserved: account.reserved_storage }))
}
