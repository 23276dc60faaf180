//! Payloads as they travel become types, and the same payloads again.
#![allow(clippy::unwrap_used)]

use sea_mq_contract_types::{sea, vibespro};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const ID: &str = "0191f0a0-0000-7000-8000-000000000001";
const AT: &str = "2026-01-02T03:04:05.678901Z";

fn travels<T: Serialize + DeserializeOwned>(payload: Value) -> T {
    let read: T = serde_json::from_value(payload.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), payload);
    let mut newer = payload;
    newer["a_field_of_a_later_time"] = json!({ "x": 1 });
    serde_json::from_value(newer).unwrap()
}

#[test]
fn vibespro_events() {
    let created: vibespro::VibeCreatedV1 = travels(json!({
        "vibe_id": ID, "user_id": "ada", "title": "A", "description": "", "revision": 1, "created_at": AT,
    }));
    assert_eq!((created.revision, created.created_at.microsecond()), (1, 678_901));
    assert_eq!(vibespro::VibeCreatedV1::SUBJECT, "vibespro.event.vibe_created.v1");
    travels::<vibespro::VibeUpdatedV1>(json!({
        "vibe_id": ID, "user_id": "ada", "title": "A", "description": "B", "revision": 2, "updated_at": AT,
    }));
    travels::<vibespro::VibeScoredV1>(json!({
        "vibe_id": ID, "user_id": "ada", "title": "A", "score": 100, "revision": 3, "scored_at": AT,
    }));
}

#[test]
fn sea_events() {
    let task = json!({ "task_id": ID, "kind": "follow_up", "title": "T" });
    let case: sea::CaseCreatedV1 = travels(json!({
        "case_id": ID, "title": "A", "vibe_id": null, "tasks": [task], "opened_at": AT,
    }));
    assert_eq!((case.vibe_id, case.tasks[0].kind), (None, sea::CaseCreatedV1TasksItemKind::FollowUp));
    travels::<sea::TaskCompletedV1>(json!({
        "case_id": ID, "task_id": ID, "kind": "review", "completed_by": "ada", "completed_at": AT, "open_tasks": 0,
    }));
    travels::<sea::GovernanceDecisionRecordedV1>(json!({
        "decision_id": ID, "case_id": ID, "vibe_id": ID, "vibe_revision": 3, "outcome": "review",
        "reasons": ["it is short"], "policies": [{ "name": "described", "version": 2 }], "decided_at": AT,
    }));
    travels::<sea::PolicyViolationDetectedV1>(json!({
        "decision_id": ID, "case_id": ID, "vibe_id": ID, "vibe_revision": 3,
        "violations": [{ "policy": "minimum_score", "version": 1, "message": "too low" }], "detected_at": AT,
    }));
}

#[test]
fn what_contradicts_the_type_is_refused() {
    let payload = json!({ "case_id": ID, "task_id": ID, "kind": "other", "completed_by": "a", "completed_at": AT, "open_tasks": 0 });
    assert!(serde_json::from_value::<sea::TaskCompletedV1>(payload).is_err());
}
