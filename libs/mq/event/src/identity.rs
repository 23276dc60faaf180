use uuid::Uuid;

/// Namespace of the ids that stand in for a missing or unusable message id.
const POSITION_NAMESPACE: Uuid = Uuid::from_u128(0x6d0f_59b2_3c1e_5f6a_9a45_7d1c_0e8b_42f7);

/// The message id of a delivery, when it is one that the inbox can key by: a UUID.
#[must_use]
pub fn usable_message_id(header: Option<&str>) -> Option<Uuid> {
    header.and_then(|text| Uuid::try_parse(text).ok())
}

/// The stand-in id of a message without a usable one: the same for the same place in the
/// same stream incarnation, so that a redelivery is recognised.
///
/// `incarnation` is the stream's creation time in nanoseconds since the epoch.
#[must_use]
pub fn position_id(stream: &str, incarnation: i128, sequence: u64) -> Uuid {
    Uuid::new_v5(&POSITION_NAMESPACE, format!("{stream}/{incarnation}/{sequence}").as_bytes())
}

/// The dead letter's own `Nats-Msg-Id`: `{id}/{consumer}/{epoch}`. The epoch rises only with
/// a redrive, so the same giving-up dedupes by itself.
#[must_use]
pub fn dead_letter_message_id(event_id: Uuid, consumer: &str, epoch: i32) -> String {
    format!("{event_id}/{consumer}/{epoch}")
}

#[cfg(test)]
mod tests {
    use super::{position_id, usable_message_id};

    #[test]
    fn only_a_uuid_is_usable() {
        assert!(usable_message_id(Some("0191f0a0-0000-7000-8000-000000000001")).is_some());
        for bad in [None, Some(""), Some("42"), Some("0191f0a0-0000-7000-8000-00000000000g")] {
            assert_eq!(usable_message_id(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_position_names_one_message() {
        let here = position_id("SEA_EVENTS", 1, 7);
        assert_eq!(here, position_id("SEA_EVENTS", 1, 7));
        assert_ne!(here, position_id("SEA_EVENTS", 2, 7));
        assert_ne!(here, position_id("SEA_EVENTS", 1, 8));
        assert_ne!(here, position_id("VIBESPRO_EVENTS", 1, 7));
    }
}
