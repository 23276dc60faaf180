use uuid::Uuid;

/// Number of lanes into which aggregate keys are hashed, in the outbox and in each inbox.
///
/// A lane is the unit that one worker instance owns by lease; it bounds the number of instances
/// that can share the work of one context.
pub const LANES: i16 = 32;

/// The inbox lane of an event: of its aggregate, or of its own id when it is unordered.
///
/// FNV-1a, 64 bits: the same in every build and version, since all instances must agree. (The
/// outbox's lanes are hashed by its database; the two never meet.)
#[must_use]
pub fn inbox_lane(aggregate_type: Option<&str>, aggregate_id: Option<&str>, message_id: Uuid) -> i16 {
    let hash = match aggregate_id {
        Some(id) => {
            let kind = fnv1a(FNV_OFFSET, aggregate_type.unwrap_or_default().as_bytes());
            fnv1a(fnv1a(kind, b"/"), id.as_bytes())
        }
        None => fnv1a(FNV_OFFSET, message_id.as_bytes()),
    };
    // The low bits of FNV mix least well, so the high half is folded in.
    let folded = hash ^ (hash >> 32);
    i16::try_from(folded & 31).unwrap_or(0)
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

fn fnv1a(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use uuid::Uuid;

    use super::{LANES, inbox_lane};

    #[test]
    fn an_aggregate_keeps_its_lane_and_lanes_fill_evenly() {
        let mut filled: HashMap<i16, u32> = HashMap::new();
        for n in 0..3200 {
            let id = n.to_string();
            let lane = inbox_lane(Some("case"), Some(&id), Uuid::from_u128(n));
            assert_eq!(lane, inbox_lane(Some("case"), Some(&id), Uuid::from_u128(n + 1)));
            *filled.entry(lane).or_default() += 1;
        }
        assert_eq!(filled.len(), usize::try_from(LANES).unwrap_or(0));
        assert!(filled.values().all(|n| (50..200).contains(n)), "{filled:?}");
    }

    #[test]
    fn the_hash_never_changes() {
        let id = Uuid::from_u128(7);
        assert_eq!(inbox_lane(Some("case"), Some("42"), id), inbox_lane(Some("case"), Some("42"), id));
        assert_eq!(super::fnv1a(super::FNV_OFFSET, b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
