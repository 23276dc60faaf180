//! Large histories, and histories in files.

use std::time::{Duration, Instant};

use super::super::{Verdict, check};
use super::generated::{good, repaired};
use crate::history::History;

/// Two to three times what an unoptimised build needs; a scan within a scan would need hours.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn half_a_million_events_are_judged_in_seconds() {
    let history = good(1, 400_000);
    assert!(history.committed.len() > 500_000);
    let began = Instant::now();
    let verdict = check(&history);
    let took = began.elapsed();
    assert!(took < LIMIT, "{took:?}");
    assert!(verdict.is_clean(), "{verdict}");
    assert!(verdict.totals.recorded > 400_000, "{:?}, judged in {took:?}", verdict.totals);
}

#[test]
fn a_run_that_lost_everything_is_told_in_bounded_room() {
    let mut history = good(2, 60_000);
    history.inbox.clear();
    let began = Instant::now();
    let verdict = check(&history);
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
    assert!(verdict.violations.len() > 60_000);
    assert_eq!(verdict.told().count(), verdict.violations.len());
    assert_eq!(verdict.told().filter(|(_, story)| !story.is_empty()).count(), 500);
    assert!(verdict.to_string().len() < 100_000);
}

#[test]
fn a_kept_history_is_judged_alike() {
    let mut history = repaired(3, 200);
    history.effects.truncate(50);
    let path = std::env::temp_dir().join(format!("sea-mq-history-{}.json", uuid::Uuid::new_v4()));
    history.save(&path).unwrap();
    let again = History::load(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(history, again);
    let verdict = check(&history);
    assert!(!verdict.is_clean());
    assert_eq!(verdict, check(&again));
    let json = serde_json::to_string(&verdict).unwrap();
    assert!(json.contains(&format!("\"kind\":\"{}\"", verdict.violations[0].kind())));
    assert_eq!(serde_json::from_str::<Verdict>(&json).unwrap(), verdict);
    assert!(History::load(&path).unwrap_err().to_string().contains("reading the history in"));
}

#[test]
fn an_older_file_lacks_what_is_new() {
    let history: History = serde_json::from_str(r#"{"committed":[],"subscriptions":[]}"#).unwrap();
    assert_eq!(history, History::default());
}
