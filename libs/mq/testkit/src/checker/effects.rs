use uuid::Uuid;

use super::index::Index;
use super::violation::Violation;
use crate::history::{Guarantee, InboxEntry, InboxState};

/// Effects that are missing, too many, of nothing, or of an attempt that was replaced.
pub(super) fn broken_effects(index: &Index<'_>) -> Vec<Violation> {
    let mut found: Vec<Violation> =
        index.history.inbox.iter().filter_map(|entry| without_effect(index, entry)).collect();
    for (id, consumer) in index.effect_keys() {
        if index.exists(id) {
            found.extend(wrong_effects(index, id, consumer));
        } else {
            found.push(Violation::EffectWithoutEvent { id, consumer: consumer.to_owned() });
        }
    }
    found
}

fn wrong_effects(index: &Index<'_>, id: Uuid, consumer: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    let effects = index.effects(id, consumer);
    let guarantee = index.subscription(consumer).map(|subscription| subscription.guarantee);
    if effects.len() > 1 && guarantee != Some(Guarantee::Plain) {
        found.push(Violation::EffectTwice { id, consumer: consumer.to_owned(), times: effects.len() });
    }
    let Some(entry) = index.entry(id, consumer).filter(|_| guarantee == Some(Guarantee::Joined)) else {
        return found;
    };
    if entry.state == InboxState::Dead {
        found.push(Violation::EffectAndDeadLettered { id, consumer: consumer.to_owned() });
    }
    // The effect and the mark are one transaction, and the mark wants the current fence.
    let stale = effects.iter().find(|effect| effect.fence > 0 && effect.fence != entry.fence);
    if let Some(effect) = stale.filter(|_| entry.state == InboxState::Processed) {
        found.push(Violation::StaleEffect {
            id,
            consumer: consumer.to_owned(),
            fence: effect.fence,
            current: entry.fence,
        });
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
