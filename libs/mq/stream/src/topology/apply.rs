use serde_json::{Value, json};

use super::declare::{DurableDeclaration, StreamDeclaration, Topology};
use super::difference::merged;
use super::plan::{Object, Plan, Step, plan};
use crate::api::CallError;
use crate::broker::Broker;
use crate::error::StreamError;

/// Makes the topology as declared, and answers the plan that was carried out.
///
/// When any part is refused, nothing is changed. Durables on a stream that does not exist yet are
/// left for another time ([`Plan::blocked`]). Nothing stored is ever deleted.
///
/// # Errors
/// [`StreamError::TopologyRefused`] with every refusal, [`StreamError::Denied`] for a user that may
/// not provision, or the step at which JetStream refused.
pub async fn apply(broker: &Broker, topology: &Topology) -> Result<Plan, StreamError> {
    let plan = plan(broker, topology).await?;
    let refusals: Vec<String> = plan.refusals().map(ToString::to_string).collect();
    if !refusals.is_empty() {
        let count = refusals.len();
        return Err(StreamError::TopologyRefused { count, refusals: refusals.join("\n") });
    }
    for step in &plan.steps {
        carry_out(broker, topology, step).await?;
    }
    Ok(plan)
}

async fn carry_out(broker: &Broker, topology: &Topology, step: &Step) -> Result<(), StreamError> {
    let (doing, action) = match step {
        Step::InSync { .. } | Step::Refuse { .. } | Step::Blocked { .. } => return Ok(()),
        Step::Create { object } => (format!("creating {object}"), "create"),
        Step::Update { object, .. } => (format!("updating {object}"), "update"),
    };
    let own = &topology.owner;
    match step.object() {
        Object::Stream(name) => {
            let declared = topology.streams.iter().find(|stream| stream.name == *name);
            let Some(declared) = declared else { return Ok(()) };
            let result = write_stream(broker, declared, own, action).await;
            result.map_err(|error| error.on_stream(doing, name))
        }
        Object::Durable { stream, name } => {
            let declared =
                topology.durables.iter().find(|durable| durable.stream == *stream && durable.name == *name);
            let Some(declared) = declared else { return Ok(()) };
            let result = write_durable(broker, declared, own, action).await;
            result.map_err(|error| error.on_consumer(doing, stream, name))
        }
    }
}

/// What exists is read again just before it is changed, so that the fields which are not declared
/// are written back as they are now.
async fn write_stream(
    broker: &Broker,
    declared: &StreamDeclaration,
    own: &str,
    action: &str,
) -> Result<(), CallError> {
    let base = match action {
        "update" => current(broker, &format!("STREAM.INFO.{}", declared.name)).await?,
        _create => json!({ "name": declared.name }),
    };
    let config = merged(&base, &declared.fields(), own);
    let verb = format!("STREAM.{}.{}", action.to_ascii_uppercase(), declared.name);
    broker.call::<Value>(&verb, &config).await.map(drop)
}

async fn write_durable(
    broker: &Broker,
    declared: &DurableDeclaration,
    own: &str,
    action: &str,
) -> Result<(), CallError> {
    let DurableDeclaration { stream, name, filter, .. } = declared;
    let base = match action {
        "update" => current(broker, &format!("CONSUMER.INFO.{stream}.{name}")).await?,
        _create => json!({ "durable_name": name, "name": name }),
    };
    let config = merged(&base, &declared.fields(), own);
    let body = json!({ "stream_name": stream, "config": config, "action": action });
    let verb = format!("CONSUMER.CREATE.{stream}.{name}.{filter}");
    broker.call::<Value>(&verb, &body).await.map(drop)
}

async fn current(broker: &Broker, verb: &str) -> Result<Value, CallError> {
    let mut info: Value = broker.call(verb, &json!({})).await?;
    Ok(info.get_mut("config").map(Value::take).unwrap_or_default())
}
