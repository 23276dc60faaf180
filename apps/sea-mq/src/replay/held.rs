//! Which events the stream holds, and where.

use std::collections::HashMap;

use sea_mq_event::usable_message_id;
use sea_mq_stream::{Broker, StreamError, StreamFacts};
use uuid::Uuid;

use super::patience::patiently;
use super::progress::Progress;

/// Sequences in one page of the memory.
const PAGE: usize = 4096;
/// Messages read by one consumer.
const READ: usize = 50_000;

/// A fingerprint of the id at each sequence: four bytes a message, however large the messages are.
#[derive(Debug, Default)]
pub(super) struct Held {
    pages: HashMap<u64, Box<[u32; PAGE]>>,
    messages: u64,
}

impl Held {
    /// Reads the headers of all that the stream holds.
    pub(super) async fn read(
        broker: &Broker,
        stream: &str,
        facts: &StreamFacts,
        progress: &mut Progress,
    ) -> Result<Self, StreamError> {
        let mut held = Self::default();
        let reader = format!("sea-mq-replay-{}", Uuid::new_v4().simple());
        let (mut next, last) = (facts.first_seq().max(1), facts.last_seq());
        while next <= last {
            let part = patiently(|| broker.stored_ids(stream, &reader, next, last, READ)).await?;
            for stored in &part.ids {
                held.messages += 1;
                if let Some(id) = usable_message_id(stored.message_id.as_deref()) {
                    held.insert(stored.stream_seq, id);
                }
            }
            let read_to = part.ids.last().map_or(next - 1, |stored| stored.stream_seq);
            if part.complete {
                break;
            }
            next = read_to + 1;
            progress.tell(|| format!("reading what {stream} holds: at message {read_to} of {last}"));
        }
        Ok(held)
    }

    fn insert(&mut self, seq: u64, id: Uuid) {
        let (page, place) = place(seq);
        let page = self.pages.entry(page).or_insert_with(|| Box::new([0; PAGE]));
        page[place] = fingerprint(id);
    }

    /// Whether the stream held this event at this sequence.
    pub(super) fn holds(&self, seq: i64, id: Uuid) -> bool {
        let Ok(seq) = u64::try_from(seq) else { return false };
        let (page, place) = place(seq);
        self.pages.get(&page).is_some_and(|page| page[place] == fingerprint(id))
    }

    /// How many messages the stream held, whoever they are from.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }
}

fn place(seq: u64) -> (u64, usize) {
    let page = PAGE as u64;
    (seq / page, usize::try_from(seq % page).unwrap_or_default())
}

/// Never 0: that is nothing.
fn fingerprint(id: Uuid) -> u32 {
    let (high, low) = id.as_u64_pair();
    // Ids that count up differ in few bits: the product spreads them.
    let mixed = (high ^ low.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    u32::try_from(mixed >> 32).unwrap_or_default().max(1)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::Held;

    #[test]
    fn an_event_is_held_at_its_own_place_only() {
        let mut held = Held::default();
        let ids: Vec<Uuid> = (0..10_000_u128).map(|n| Uuid::from_u128(n << 64)).collect();
        for (seq, id) in (1..).zip(&ids) {
            held.insert(seq, *id);
        }
        assert!((1..).zip(&ids).all(|(seq, id)| held.holds(seq, *id)));
        assert!(!held.holds(2, ids[0]) && !held.holds(10_001, ids[0]) && !held.holds(0, ids[0]));
        assert!(!held.holds(-1, ids[0]) && !held.holds(i64::MAX, ids[0]));
    }
}
