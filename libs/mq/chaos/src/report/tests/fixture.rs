//! Reports of runs that never were.

use time::macros::datetime;
use uuid::Uuid;

use crate::report::{
    ContextSample, FaultOutcome, FaultRecord, Outcome, Promise, Report, RunTotals, Sample, Versions,
    ViolationRecord,
};

/// Twenty seconds with two kills, a partition, and a full disk that was not allowed.
pub(super) fn small() -> Report {
    let faults = vec![
        fault("kill_worker", "sea worker 1", 2_000, FaultOutcome::Survived),
        fault("partition", "vibespro worker 2 | <nats>", 8_000, FaultOutcome::Survived),
        fault("full_disk", "postgres", 9_000, FaultOutcome::NotAllowed("mounting needs root".to_owned())),
        fault("kill_worker", "vibespro worker 1", 12_000, FaultOutcome::Survived),
    ];
    let backlog = |second| match second {
        3..=6 => 1_200,
        9..=11 => 900,
        0.. => 0,
    };
    let samples = (1..=20).map(|second| sample(second, backlog(second))).collect();
    report(42, 1, faults, samples)
}

/// An hour with a fault every minute, a few of which failed, and seconds that could not be observed.
pub(super) fn hour() -> Report {
    let kinds = ["kill_worker", "freeze_worker", "kill_postgres", "kill_nats_node", "partition", "slow_link"];
    let faults = (0..60).map(|minute: u64| {
        let kind = kinds[usize::try_from(minute).unwrap() % kinds.len()];
        let outcome = if minute % 29 == 28 {
            FaultOutcome::Failed("it stayed down".to_owned())
        } else {
            FaultOutcome::Survived
        };
        fault(kind, &format!("target {}", minute % 4), minute * 60_000, outcome)
    });
    let seen = (1..=3_600).filter(|second| second % 600 > 8);
    let samples =
        seen.map(|second| sample(second, (second * 7_919 % 1_000).saturating_sub(400) * 13)).collect();
    report(u64::MAX, 60, faults.collect(), samples)
}

fn report(seed: u64, minutes: u64, faults: Vec<FaultRecord>, samples: Vec<Sample>) -> Report {
    let totals = RunTotals {
        committed: 12_345,
        published: 12_345,
        parked: 0,
        streamed: 12_345,
        recorded: 12_345,
        processed: 12_340,
        dead: 5,
        effects: 12_340,
        letters: 5,
    };
    Report {
        seed,
        started_at: datetime!(2025-03-04 05:06:07.008 UTC),
        minutes,
        only_faults: Vec::new(),
        versions: Versions { postgres: "18.1".to_owned(), nats: "2.14.3".to_owned() },
        load_summary: "two contexts, two workers each, 300 events/s, 2 % poison".to_owned(),
        outcome: Outcome::judge(Vec::new(), totals, &faults, Some(4_200)),
        faults,
        samples,
        arguments: Vec::new(),
        history_file: None,
    }
}

/// Three seconds long, and recovered 2.5 s later; at once over when it was not allowed.
pub(super) fn fault(kind: &str, target: &str, injected_at_ms: u64, outcome: FaultOutcome) -> FaultRecord {
    let refused = matches!(outcome, FaultOutcome::NotAllowed(_));
    FaultRecord {
        kind: kind.to_owned(),
        target: target.to_owned(),
        injected_at_ms,
        healed_at_ms: injected_at_ms + if refused { 0 } else { 3_000 },
        recovered_after_ms: (!refused).then_some(2_500),
        note: String::new(),
        outcome,
    }
}

pub(super) fn violation(promise: Promise, text: &str) -> ViolationRecord {
    ViolationRecord {
        promise,
        kind: "kind".to_owned(),
        event: Some(Uuid::from_u128(1)),
        text: text.to_owned(),
        story: text.to_owned(),
    }
}

fn sample(second: u64, healthy_backlog: u64) -> Sample {
    let half = |count| count / 2;
    Sample {
        at_ms: second * 1_000,
        committed: second * 300,
        processed: second * 295,
        dead: second / 4,
        outbox_backlog: healthy_backlog / 3,
        inbox_backlog: healthy_backlog + second % 5,
        healthy_backlog,
        latency_p50_ms: (!second.is_multiple_of(11)).then_some(4.25),
        latency_p99_ms: (!second.is_multiple_of(11)).then_some(20.5 + healthy_backlog as f64),
        contexts: vec![ContextSample {
            context: "sea".to_owned(),
            committed: half(second * 300),
            processed: half(second * 295),
            dead: second / 4,
            outbox_backlog: healthy_backlog / 3,
            inbox_backlog: healthy_backlog + second % 5,
        }],
    }
}
