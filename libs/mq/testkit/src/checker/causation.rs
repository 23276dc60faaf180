use std::collections::BTreeMap;

use uuid::Uuid;

use super::index::Index;
use super::violation::Violation;
use crate::history::{CommittedEvent, Subscription};

/// Chains of causes that are torn: an unknown cause, another chain's, one whose effect is missing
/// where it is said to have caused something, and effects without the event that belongs to them.
pub(super) fn broken_causation(index: &Index<'_>) -> Vec<Violation> {
    let broken = |event: &CommittedEvent| {
        let cause = event.causation_id?;
        let why = wrong_cause(index, event, cause).or_else(|| effect_missing(index, event, cause))?;
        Some(Violation::CausationBroken { id: event.id, cause, why })
    };
    let mut found: Vec<Violation> = index.history.committed.iter().filter_map(broken).collect();
    for id in &index.history.expects_caused {
        found.extend(miscounted(index, *id));
    }
    found
}

fn wrong_cause(index: &Index<'_>, event: &CommittedEvent, cause: Uuid) -> Option<String> {
    match index.committed.get(&cause) {
        Some(known) if known.correlation_id == event.correlation_id => None,
        Some(known) => Some(format!(
            "its correlation id is {}, that of its cause is {}",
            event.correlation_id, known.correlation_id
        )),
        None if index.exists(cause) => None,
        None => Some("its cause was never committed".to_owned()),
    }
}

/// The effect and what it causes are one transaction: an event that was caused by one that its context
/// consumes has that one's effect beside it. What an application says of events that it does not
/// consume is its own affair.
fn effect_missing(index: &Index<'_>, event: &CommittedEvent, cause: Uuid) -> Option<String> {
    let takers: Vec<&Subscription> = takers(index, &event.context, cause).collect();
    let made = takers.iter().any(|taker| !index.effects(cause, &taker.consumer).is_empty());
    if takers.is_empty() || made || index.history.effectless.contains(&cause) {
        return None;
    }
    Some(format!("{} has no effect of its cause", event.context))
}

/// The context's subscriptions that take this event.
fn takers<'a: 's, 's>(
    index: &'s Index<'a>,
    context: &'s str,
    id: Uuid,
) -> impl Iterator<Item = &'a Subscription> + 's {
    let subject = index.committed.get(&id).map(|event| event.subject.as_str());
    let subject = subject.or_else(|| Some(index.streamed.get(&id)?.first()?.subject.as_str()));
    index.history.subscriptions.iter().filter(move |subscription| {
        subscription.context() == context && subject.is_some_and(|subject| subscription.takes(subject))
    })
}

/// Contexts that made effects of an event and other than one event for each.
fn miscounted(index: &Index<'_>, id: Uuid) -> Vec<Violation> {
    let mut effects: BTreeMap<&str, usize> = BTreeMap::new();
    for subscription in &index.history.subscriptions {
        *effects.entry(subscription.context()).or_default() +=
            index.effects(id, &subscription.consumer).len();
    }
    effects.retain(|_, made| *made > 0);
    effects
        .into_iter()
        .filter_map(|(context, made)| {
            let caused = index.caused(id).iter().filter(|event| event.context == context).count();
            (caused != made).then(|| Violation::CausedMiscounted {
                id,
                context: context.to_owned(),
                effects: made,
                caused,
            })
        })
        .collect()
}
