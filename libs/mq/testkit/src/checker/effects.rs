use super::index::Index;
use super::verdict::Violation;
use crate::history::{Guarantee, InboxEntry, InboxState};

/// Effects that are missing, too many, or of nothing.
pub(super) fn broken_effects(index: &Index<'_>) -> Vec<Violation> {
    let mut found: Vec<Violation> =
        index.history.inbox.iter().filter_map(|entry| without_effect(index, entry)).collect();
    for (id, consumer) in index.effect_keys() {
        let named = consumer.to_owned();
        if !index.exists(id) {
            found.push(Violation::EffectWithoutEvent { id, consumer: named });
            continue;
        }
        let times = index.effects(id, consumer).len();
        let guarantee = index.subscription(consumer).map(|subscription| subscription.guarantee);
        if times > 1 && guarantee != Some(Guarantee::Plain) {
            found.push(Violation::EffectTwice { id, consumer: named.clone(), times });
        }
        let dead = index.entry(id, consumer).is_some_and(|entry| entry.state == InboxState::Dead);
        if dead && guarantee == Some(Guarantee::Joined) {
            found.push(Violation::EffectAndDeadLettered { id, consumer: named });
        }
    }
    found
}

fn without_effect(index: &Index<'_>, entry: &InboxEntry) -> Option<Violation> {
    let missing = entry.state == InboxState::Processed
        && index.subscription(&entry.consumer).is_some()
        && index.effects(entry.id, &entry.consumer).is_empty()
        && !index.history.effectless.contains(&entry.id);
    missing.then(|| Violation::ProcessedWithoutEffect { id: entry.id, consumer: entry.consumer.clone() })
}
