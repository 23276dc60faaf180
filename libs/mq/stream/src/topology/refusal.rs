use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;

use super::declare::{StreamDeclaration, Topology};
use super::difference::owner;
use super::subject_overlap::overlap;
use super::survey::{Storage, Survey};
use crate::facts::StreamFacts;

/// Why a change is not made, and what to do instead.
pub(super) struct Refusal {
    pub(super) field: &'static str,
    pub(super) reason: String,
    pub(super) way_out: String,
}

/// An object of the same name that belongs to another context.
pub(super) fn foreign(config: &Value, own: &str) -> Option<Refusal> {
    let other = owner(config).filter(|other| *other != own)?;
    Some(Refusal {
        field: "metadata.sea-mq.context",
        reason: format!("it belongs to the context {other}, not to {own}"),
        way_out: "choose another name in the settings; only its owner may change it".to_owned(),
    })
}

/// Another stream that already stores some of the declared subjects.
pub(super) fn overlapping(stream: &StreamDeclaration, survey: &Survey) -> Option<Refusal> {
    let (name, theirs) =
        survey.neighbours.iter().filter(|(name, _)| *name != stream.name).find_map(|(name, subjects)| {
            subjects.iter().find(|theirs| overlap(theirs, &stream.subject)).map(|theirs| (name, theirs))
        })?;
    Some(Refusal {
        field: "subjects",
        reason: format!("stream {name} stores `{theirs}` already, which overlaps with `{}`", stream.subject),
        way_out: format!(
            "take these subjects out of {name} with `nats stream edit`, or delete it if it is not used"
        ),
    })
}

/// More replicas than a server that stands alone can hold.
pub(super) fn unclustered(stream: &StreamDeclaration, survey: &Survey) -> Option<Refusal> {
    (stream.replicas > 1 && !survey.clustered).then(|| Refusal {
        field: "num_replicas",
        reason: format!("{} replicas need a cluster, and this server stands alone", stream.replicas),
        way_out: "set STREAM_REPLICAS=1, or connect to a cluster".to_owned(),
    })
}

/// A limit that would delete what is stored.
pub(super) fn shrinking(
    field: &'static str,
    stream: &StreamDeclaration,
    facts: &StreamFacts,
    now: OffsetDateTime,
) -> Option<Refusal> {
    match field {
        "max_bytes" if facts.bytes() > stream.max_bytes => Some(Refusal {
            field: "max_bytes",
            reason: format!("{} bytes are stored, more than {}", facts.bytes(), stream.max_bytes),
            way_out: "declare at least what is stored, or wait until enough has aged out".to_owned(),
        }),
        "max_age" if is_older(facts.first_time(), stream.max_age, now) => Some(Refusal {
            field: "max_age",
            reason: "the oldest stored events are older than that and would be deleted".to_owned(),
            way_out: "wait until they have aged out under the present limit, or lower it by hand with `nats stream edit` once nobody needs them".to_owned(),
        }),
        _harmless => None,
    }
}

fn is_older(first: Option<OffsetDateTime>, max_age: Duration, now: OffsetDateTime) -> bool {
    first.is_some_and(|first| now - first > max_age)
}

/// The account cannot hold the sum of the streams' limits.
pub(super) fn beyond_storage(topology: &Topology, survey: &Survey) -> Option<Refusal> {
    let Storage { limit, reserved } = survey.storage?;
    let more: u64 = topology.streams.iter().map(|stream| reserves_more(stream, survey)).sum();
    (more > 0 && reserved.saturating_add(more) > limit).then(|| Refusal {
        field: "max_bytes",
        reason: format!(
            "the account may store {limit} bytes, {reserved} are reserved by existing streams, and the declared ones need {more} more"
        ),
        way_out: "raise the account's max_file, or declare a smaller max_bytes".to_owned(),
    })
}

fn reserves_more(stream: &StreamDeclaration, survey: &Survey) -> u64 {
    let want = stream.max_bytes.saturating_mul(u64::from(stream.replicas));
    let facts = survey.streams.get(&stream.name);
    let have =
        facts.map_or(0, |facts| facts.max_bytes().unwrap_or_default().saturating_mul(facts.replicas()));
    want.saturating_sub(have)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sea_mq_event::ContextName;

    use super::{beyond_storage, is_older, overlapping, unclustered};
    use crate::topology::declare::{ContextTopology, Topology};
    use crate::topology::survey::{Storage, Survey};

    fn topology(replicas: u32) -> Topology {
        #[allow(clippy::unwrap_used)]
        Topology::for_context(&ContextTopology::new(ContextName::parse("sea").unwrap(), replicas))
    }

    #[test]
    fn a_neighbour_that_stores_the_subjects_is_named() {
        let neighbours = vec![
            ("SEA_EVENTS".to_owned(), vec!["sea.event.>".to_owned()]),
            ("ALL".to_owned(), vec!["*.event.>".to_owned()]),
        ];
        let survey = Survey { neighbours, ..Survey::default() };
        let refusal = overlapping(&topology(1).streams[0], &survey);
        assert!(refusal.is_some_and(|refusal| refusal.reason.contains("stream ALL stores `*.event.>`")));
        assert!(overlapping(&topology(1).streams[1], &survey).is_none());
    }

    #[test]
    fn replicas_count_against_the_storage() {
        let survey = |limit| Survey { storage: Some(Storage { limit, reserved: 1 }), ..Survey::default() };
        assert!(beyond_storage(&topology(1), &survey(20_000_000_001)).is_none());
        assert!(beyond_storage(&topology(1), &survey(20_000_000_000)).is_some());
        assert!(beyond_storage(&topology(3), &survey(20_000_000_001)).is_some());
        assert!(beyond_storage(&topology(3), &Survey::default()).is_none());
    }

    #[test]
    fn a_lone_server_takes_one_replica() {
        let lone = Survey::default();
        assert!(unclustered(&topology(3).streams[0], &lone).is_some());
        assert!(unclustered(&topology(1).streams[0], &lone).is_none());
    }

    #[test]
    fn only_what_would_be_deleted_is_too_old() {
        let now = time::OffsetDateTime::UNIX_EPOCH + Duration::from_secs(100);
        let hour = Duration::from_secs(60);
        assert!(is_older(Some(time::OffsetDateTime::UNIX_EPOCH), hour, now));
        assert!(!is_older(Some(now), hour, now));
        assert!(!is_older(None, hour, now));
    }
}
