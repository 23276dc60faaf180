use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use sea_mq_contracts::Contracts;
use serde_json::{Value, json};

use crate::{ORDER, folder, order};

const SUBJECT: &str = "shop.event.order_placed.v1";

static CONTRACTS: LazyLock<Contracts> = LazyLock::new(|| {
    let schema = order(json!({
        "order_id": { "type": "string", "format": "uuid" },
        "buyer": { "type": "string", "maxLength": 5 },
        "placed_at": { "type": "string", "format": "date-time" },
        "lines": { "type": "array", "items": {
            "type": "object", "required": ["pieces"], "properties": { "pieces": { "type": "integer", "minimum": 1 } },
        } },
        "labels": { "type": "object", "additionalProperties": { "type": "string" } },
    }));
    Contracts::load(folder(&[(ORDER, schema)]).path()).unwrap()
});

fn good() -> Value {
    json!({
        "order_id": "0191f0a0-0000-7000-8000-000000000001", "buyer": "ada", "placed_at": "2026-01-02T03:04:05.678+00:00",
        "lines": [{ "pieces": 1, "more": true }], "labels": {}, "unknown": null,
    })
}

fn broken(change: impl FnOnce(&mut Value)) -> String {
    let mut payload = good();
    change(&mut payload);
    CONTRACTS.check(SUBJECT, payload.to_string().as_bytes()).unwrap_err().to_string()
}

#[test]
fn what_keeps_its_contract_and_what_has_none_passes() {
    let contracts = &*CONTRACTS;
    assert_eq!(contracts.len(), 1);
    contracts.check(SUBJECT, good().to_string().as_bytes()).unwrap();
    contracts.check("shop.event.order_placed.v2", b"not even JSON").unwrap();
    Contracts::none().check(SUBJECT, b"not even JSON").unwrap();
}

#[test]
fn place_and_rule_are_named() {
    for (field, value, said) in [
        ("order_id", json!("secret"), "/order_id: format \"uuid\""),
        ("buyer", json!("secret"), "/buyer: maxLength 5"),
        ("buyer", json!(7), "/buyer: type \"string\""),
        ("placed_at", json!("2026-13-40T99:00:00Z"), "/placed_at: format \"date-time\""),
        ("placed_at", json!("2026-01-02 03:04:05"), "/placed_at: format \"date-time\""),
        ("lines", json!([{ "pieces": 1 }, { "pieces": 0 }]), "/lines/1/pieces: minimum 1"),
        ("lines", json!([{}]), "/lines/0/pieces: required"),
    ] {
        let text = broken(|payload| payload[field] = value);
        assert_eq!(text, format!("the payload breaks its contract shop/order_placed.v1: {said}"));
    }
    let text = broken(|payload| drop(payload.as_object_mut().unwrap().remove("buyer")));
    assert!(text.ends_with(": /buyer: required"), "{text}");
    let text = broken(|payload| *payload = json!([]));
    assert!(text.ends_with(": the whole payload: type \"object\""), "{text}");
}

#[test]
fn every_broken_rule_is_named_up_to_five() {
    let text = broken(|payload| *payload = json!({ "buyer": "secret", "lines": [{}] }));
    assert_eq!(text.matches("; ").count(), 4, "{text}");
    assert!(!text.contains("more"), "{text}");
    let text = broken(|payload| *payload = json!({ "buyer": "secret", "lines": [{}, {}] }));
    assert!(text.ends_with("; and more"), "{text}");
}

#[test]
fn keys_of_the_payload_are_not_repeated() {
    let text = broken(|payload| payload["labels"] = json!({ "0123456789": 1, "mail@example.org": 2 }));
    assert!(text.contains("/labels/*: type \"string\""), "{text}");
    assert!(!text.contains("0123") && !text.contains("mail"), "{text}");
}

#[test]
fn what_cannot_be_held_breaks_the_contract() {
    let contracts = &*CONTRACTS;
    for payload in ["{".repeat(1_000), "[".repeat(1_000) + &"]".repeat(1_000), "1e999999".to_owned()] {
        let text = contracts.check(SUBJECT, payload.as_bytes()).unwrap_err().to_string();
        assert!(text.contains("the whole payload: cannot be read as JSON at line 1"), "{text}");
    }
}

#[test]
fn the_contracts_of_this_repository_can_be_used() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../contracts");
    let contracts = Contracts::load(&folder).unwrap();
    assert!(contracts.len() >= 7);
    let (id, at) = ("0191f0a0-0000-7000-8000-000000000001", "2026-01-02T03:04:05Z");
    for (subject, payload) in [
        (
            "vibespro.event.vibe_created.v1",
            json!({ "vibe_id": id, "user_id": "ada", "title": "A", "description": "", "revision": 1, "created_at": at }),
        ),
        (
            "vibespro.event.vibe_updated.v1",
            json!({ "vibe_id": id, "user_id": "ada", "title": "A", "description": "B", "revision": 2, "updated_at": at }),
        ),
        (
            "vibespro.event.vibe_scored.v1",
            json!({ "vibe_id": id, "user_id": "ada", "title": "A", "score": 100, "revision": 3, "scored_at": at }),
        ),
        (
            "sea.event.case_created.v1",
            json!({ "case_id": id, "title": "A", "vibe_id": null, "tasks": [{ "task_id": id, "kind": "review", "title": "T" }], "opened_at": at }),
        ),
        (
            "sea.event.task_completed.v1",
            json!({ "case_id": id, "task_id": id, "kind": "follow_up", "completed_by": "ada", "completed_at": at, "open_tasks": 0 }),
        ),
        (
            "sea.event.governance_decision_recorded.v1",
            json!({ "decision_id": id, "case_id": id, "vibe_id": id, "vibe_revision": 3, "outcome": "approved", "reasons": [], "policies": [{ "name": "minimum_score", "version": 1 }], "decided_at": at }),
        ),
        (
            "sea.event.policy_violation_detected.v1",
            json!({ "decision_id": id, "case_id": id, "vibe_id": id, "vibe_revision": 3, "violations": [{ "policy": "minimum_score", "version": 1, "message": "too low" }], "detected_at": at }),
        ),
    ] {
        contracts.check(subject, payload.to_string().as_bytes()).unwrap();
        assert!(contracts.check(subject, b"{}").is_err(), "{subject}");
    }
}

proptest! {
    #[test]
    fn no_message_repeats_a_value(secret in "[A-Z]{12}", field in prop::sample::select(vec!["order_id", "buyer", "placed_at", "lines", "labels", "more"])) {
        for value in [json!(secret), json!([secret]), json!({ secret.clone(): secret }), json!([{ "pieces": secret }])] {
            let mut payload = good();
            payload[field] = value;
            if let Err(violation) = CONTRACTS.check(SUBJECT, payload.to_string().as_bytes()) {
                prop_assert!(!violation.to_string().contains(&secret), "{}", violation);
            }
        }
    }
}
