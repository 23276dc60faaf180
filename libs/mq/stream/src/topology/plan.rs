use std::fmt;

use serde_json::Value;
use time::OffsetDateTime;

use super::declare::{DurableDeclaration, OWNER_KEY, StreamDeclaration, Topology};
use super::difference::{Change, Field, Rule, owner};
use super::refusal::{self, Refusal};
use super::survey::{self, Survey};
use crate::broker::Broker;
use crate::error::StreamError;

/// A stream or a durable consumer, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// A stream.
    Stream(String),
    /// A durable consumer.
    Durable {
        /// The stream that it reads.
        stream: String,
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(name) => write!(f, "stream {name}"),
            Self::Durable { stream, name } => write!(f, "durable consumer {name} of stream {stream}"),
        }
    }
}

/// What is to be done about one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it is as declared.
    InSync {
        /// Which.
        object: Object,
    },
    /// It does not exist.
    Create {
        /// Which.
        object: Object,
    },
    /// It is changed in place, and nothing is lost.
    Update {
        /// Which.
        object: Object,
        /// Its fields that are not as declared.
        changes: Vec<Change>,
    },
    /// It cannot be made as declared without harm: nothing at all is applied.
    Refuse {
        /// Which.
        object: Object,
        /// The field that stands in the way.
        field: String,
        /// Why it is not changed.
        reason: String,
        /// What a person can do.
        way_out: String,
    },
    /// It cannot exist yet, since the stream that it reads does not: apply again when it does.
    Blocked {
        /// Which.
        object: Object,
        /// The stream that is missing.
        missing_stream: String,
    },
}

impl Step {
    /// The object that the step is about.
    #[must_use]
    pub fn object(&self) -> &Object {
        match self {
            Self::InSync { object }
            | Self::Create { object }
            | Self::Update { object, .. }
            | Self::Refuse { object, .. }
            | Self::Blocked { object, .. } => object,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InSync { object } => write!(f, "in sync  {object}"),
            Self::Create { object } => write!(f, "create   {object}"),
            Self::Update { object, changes } => {
                write!(f, "update   {object}")?;
                changes.iter().try_for_each(|change| write!(f, "\n           {change}"))
            }
            Self::Refuse { object, field, reason, way_out } => {
                write!(f, "refused  {object}\n           {field}: {reason}; {way_out}")
            }
            Self::Blocked { object, missing_stream } => {
                write!(
                    f,
                    "waits    {object}: stream {missing_stream} does not exist yet; its own context creates it"
                )
            }
        }
    }
}

/// What is to be done, object by object, in the order of doing it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// One step for each refusal and each object.
    pub steps: Vec<Step>,
}

impl Plan {
    /// True when everything is as declared.
    #[must_use]
    pub fn is_in_sync(&self) -> bool {
        self.steps.iter().all(|step| matches!(step, Step::InSync { .. }))
    }

    /// The steps that stand in the way.
    pub fn refusals(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| matches!(step, Step::Refuse { .. }))
    }

    /// The steps that wait for another context's stream.
    pub fn blocked(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| matches!(step, Step::Blocked { .. }))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

/// Compares what is declared with what exists. Changes nothing.
///
/// # Errors
/// [`StreamError::Denied`] for a user that may not look at the streams, or that JetStream did not
/// answer.
pub async fn plan(broker: &Broker, topology: &Topology) -> Result<Plan, StreamError> {
    let survey = survey::survey(broker, &topology.streams, &topology.durables).await?;
    Ok(decide(topology, &survey, OffsetDateTime::now_utc()))
}

/// The decision, apart from its effects.
pub(super) fn decide(topology: &Topology, survey: &Survey, now: OffsetDateTime) -> Plan {
    let mut steps = Vec::new();
    for stream in &topology.streams {
        steps.extend(decide_stream(stream, &topology.owner, survey, now));
    }
    if let (Some(refusal), Some(first)) =
        (refusal::beyond_storage(topology, survey), topology.streams.first())
    {
        steps.push(refuse(&Object::Stream(first.name.clone()), refusal));
    }
    for durable in &topology.durables {
        steps.extend(decide_durable(durable, topology, survey));
    }
    Plan { steps }
}

fn decide_stream(stream: &StreamDeclaration, own: &str, survey: &Survey, now: OffsetDateTime) -> Vec<Step> {
    let object = Object::Stream(stream.name.clone());
    let mut refusals: Vec<Refusal> = Vec::new();
    refusals.extend(refusal::overlapping(stream, survey));
    let Some(facts) = survey.streams.get(&stream.name) else {
        refusals.extend(refusal::unclustered(stream, survey));
        return steps(object.clone(), refusals, Step::Create { object });
    };
    refusals.extend(refusal::foreign(&facts.config, own));
    let fields = stream.fields();
    let different: Vec<&Field> = fields.iter().filter(|field| field.differs(&facts.config)).collect();
    for field in &different {
        refusals.extend(fixed(field, &facts.config));
        refusals.extend(refusal::shrinking(field.name, stream, facts, now));
        if field.name == "num_replicas" {
            refusals.extend(refusal::unclustered(stream, survey));
        }
    }
    let changes = changes(&different, &facts.config, own);
    steps(object.clone(), refusals, update_or_leave(object, changes))
}

fn decide_durable(durable: &DurableDeclaration, topology: &Topology, survey: &Survey) -> Vec<Step> {
    let object = Object::Durable { stream: durable.stream.clone(), name: durable.name.clone() };
    let key = (durable.stream.clone(), durable.name.clone());
    let Some(facts) = survey.durables.get(&key) else {
        let declared = topology.streams.iter().any(|stream| stream.name == durable.stream);
        let step = if declared || survey.streams.contains_key(&durable.stream) {
            Step::Create { object }
        } else {
            Step::Blocked { object, missing_stream: durable.stream.clone() }
        };
        return vec![step];
    };
    let fields = durable.fields();
    let different: Vec<&Field> = fields.iter().filter(|field| field.differs(&facts.config)).collect();
    let mut refusals: Vec<Refusal> =
        different.iter().filter_map(|field| fixed(field, &facts.config)).collect();
    refusals.extend(refusal::foreign(&facts.config, &topology.owner));
    let changes = changes(&different, &facts.config, &topology.owner);
    steps(object.clone(), refusals, update_or_leave(object, changes))
}

fn steps(object: Object, refusals: Vec<Refusal>, otherwise: Step) -> Vec<Step> {
    if refusals.is_empty() {
        return vec![otherwise];
    }
    refusals.into_iter().map(|refusal| refuse(&object, refusal)).collect()
}

fn refuse(object: &Object, refusal: Refusal) -> Step {
    Step::Refuse {
        object: object.clone(),
        field: refusal.field.to_owned(),
        reason: refusal.reason,
        way_out: refusal.way_out,
    }
}

fn fixed(field: &Field, config: &Value) -> Option<Refusal> {
    match field.rule {
        Rule::Fixed { way_out } => {
            let Change { from, to, .. } = field.change(config, None);
            Some(Refusal {
                field: field.name,
                reason: format!("it is {from}, {to} is declared, and JetStream cannot change it in place"),
                way_out: way_out.to_owned(),
            })
        }
        Rule::InPlace | Rule::Shrinks | Rule::Filter => None,
    }
}

/// The fields that are not as declared, and the owner when nobody owns the object yet.
pub(super) fn changes(different: &[&Field], config: &Value, own: &str) -> Vec<Change> {
    let mut changes: Vec<Change> =
        different.iter().map(|field| field.change(config, note(field.rule))).collect();
    if owner(config).is_none() {
        let field = format!("metadata.{OWNER_KEY}");
        changes.push(Change { field, from: "none".to_owned(), to: own.to_owned(), note: None });
    }
    changes
}

fn note(rule: Rule) -> Option<String> {
    match rule {
        Rule::Filter => Some(
            "from the consumer's present position on; `sea-mq replay` brings earlier events that only the new filter matches"
                .to_owned(),
        ),
        Rule::InPlace | Rule::Shrinks | Rule::Fixed { .. } => None,
    }
}

fn update_or_leave(object: Object, changes: Vec<Change>) -> Step {
    if changes.is_empty() { Step::InSync { object } } else { Step::Update { object, changes } }
}
