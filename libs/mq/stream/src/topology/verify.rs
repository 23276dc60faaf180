use std::fmt;

use serde_json::Value;

use super::declare::Topology;
use super::difference::{Field, owner};
use super::plan::{Object, changes};
use super::survey;
use crate::broker::Broker;
use crate::error::StreamError;

/// How what exists compares with what is declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// What does not exist: it may be waited for.
    pub absent: Vec<Object>,
    /// What is not as declared, field by field: a reason not to start.
    pub drift: Vec<Drift>,
}

impl Verification {
    /// True when everything exists and is as declared.
    #[must_use]
    pub fn is_in_sync(&self) -> bool {
        self.absent.is_empty() && self.drift.is_empty()
    }
}

/// One field that is not as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Of what.
    pub object: Object,
    /// The field, by its name in the server's configuration.
    pub field: String,
    /// What is declared.
    pub want: String,
    /// What it is.
    pub have: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, field, want, have, remedy } = self;
        write!(f, "{object}: {field} is {have}, declared is {want}; {remedy}")
    }
}

/// Compares with what a worker is allowed to see: its own streams, the streams that it consumes,
/// and its durables. Changes nothing.
///
/// # Errors
/// [`StreamError::Denied`] when the user's permissions are not those of this context, or that
/// JetStream did not answer.
pub async fn verify(broker: &Broker, topology: &Topology) -> Result<Verification, StreamError> {
    let mut verification = Verification::default();
    let names = topology.streams.iter().map(|stream| stream.name.as_str());
    let streams = survey::streams(broker, names).await?;
    for stream in &topology.streams {
        let object = Object::Stream(stream.name.clone());
        match streams.get(&stream.name) {
            None => verification.absent.push(object),
            Some(facts) => {
                verification.drift.extend(drift(&object, &stream.fields(), &facts.config, &topology.owner));
            }
        }
    }
    let durables = survey::durables(broker, &topology.durables).await?;
    for durable in &topology.durables {
        let object = Object::Durable { stream: durable.stream.clone(), name: durable.name.clone() };
        match durables.get(&(durable.stream.clone(), durable.name.clone())) {
            None => verification.absent.push(object),
            Some(facts) => {
                verification.drift.extend(drift(&object, &durable.fields(), &facts.config, &topology.owner));
            }
        }
    }
    Ok(verification)
}

fn drift(object: &Object, fields: &[Field], config: &Value, own: &str) -> Vec<Drift> {
    let different: Vec<&Field> = fields.iter().filter(|field| field.differs(config)).collect();
    let remedy = "see `sea-mq topology plan`, then run `sea-mq topology apply` with the provisioning user, or change the settings";
    let foreign = owner(config).filter(|other| *other != own).map(|other| Drift {
        object: object.clone(),
        field: "metadata.sea-mq.context".to_owned(),
        want: own.to_owned(),
        have: other.to_owned(),
        remedy: format!("it belongs to the context {other}: choose another name in the settings"),
    });
    let changed = changes(&different, config, own).into_iter().map(|change| Drift {
        object: object.clone(),
        field: change.field,
        want: change.to,
        have: change.from,
        remedy: remedy.to_owned(),
    });
    foreign.into_iter().chain(changed).collect()
}
