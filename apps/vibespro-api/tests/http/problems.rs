//! Every bad input is refused with a problem that says what to change, and leaves nothing.

use serde_json::{Value, json};
use uuid::Uuid;
use vibespro_api::MAX_BODY_BYTES;

use crate::support::Context;

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Status, code, method, path and body.
fn bad_bodies(vibe: &str) -> Vec<(u16, &'static str, &'static str, String, Value)> {
    let (create, score) = ("/v1/vibes".to_owned(), format!("{vibe}/score"));
    let post = |status, code, path: &str, body| (status, code, "POST", path.to_owned(), body);
    vec![
        post(422, "invalid_input", &create, json!({"user_id": "ada", "title": "x".repeat(121)})),
        post(422, "invalid_input", &create, json!({"user_id": "ada", "title": " "})),
        post(422, "invalid_input", &create, json!({"user_id": "ada", "title": "nul\0"})),
        post(422, "invalid_input", &create, json!({"user_id": "Ada!", "title": "x"})),
        post(422, "invalid_input", &create, json!({"user_id": "ada"})),
        post(422, "invalid_input", &create, json!({"user_id": "ada", "title": 7})),
        post(422, "invalid_input", &create, json!({"user_id": "ada", "title": "x", "descripton": "typo"})),
        post(
            422,
            "invalid_input",
            &create,
            json!({"user_id": "ada", "title": "x", "description": "x".repeat(2001)}),
        ),
        post(422, "invalid_input", &create, json!([])),
        post(422, "unknown_user", &create, json!({"user_id": "eve", "title": "x"})),
        post(422, "invalid_input", &score, json!({"expected_revision": 1, "score": 101})),
        post(422, "invalid_input", &score, json!({"expected_revision": 1, "score": -1})),
        post(422, "invalid_input", &score, json!({"expected_revision": 0, "score": 1})),
        post(422, "invalid_input", &score, json!({"expected_revision": 1, "score": 1.5})),
        post(409, "stale_revision", &score, json!({"expected_revision": 2, "score": 1})),
        post(
            404,
            "unknown_vibe",
            &format!("/v1/vibes/{}/score", Uuid::new_v4()),
            json!({"expected_revision": 1, "score": 1}),
        ),
        post(404, "unknown_vibe", "/v1/vibes/no-uuid/score", json!({"expected_revision": 1, "score": 1})),
        (422, "invalid_input", "PATCH", vibe.to_owned(), json!({"expected_revision": 1})),
        (422, "invalid_input", "PATCH", vibe.to_owned(), json!({"title": "x"})),
        (409, "stale_revision", "PATCH", vibe.to_owned(), json!({"expected_revision": 9, "title": "x"})),
        (422, "invalid_input", "PUT", "/v1/users/ADA".to_owned(), json!({"name": "Ada"})),
        (422, "invalid_input", "PUT", "/v1/users/%FF".to_owned(), json!({"name": "Ada"})),
        (422, "invalid_input", "PUT", "/v1/users/bob".to_owned(), json!({"name": ""})),
        (404, "unknown_path", "POST", "/v1/nothing".to_owned(), json!({})),
        (405, "method_not_allowed", "POST", vibe.to_owned(), json!({})),
    ]
}

#[tokio::test]
async fn every_bad_body_is_refused_and_leaves_nothing() {
    let context = Context::new().await;
    let vibe = format!("/v1/vibes/{}", context.create("Calm").await["vibe_id"].as_str().unwrap());
    let before = context.counts().await;
    for (status, code, method, path, body) in bad_bodies(&vibe) {
        // With a key: also that stays free.
        let answer = context.server.json_with(method, &path, &[("Idempotency-Key", "k")], &body).await;
        println!("{method} {path} {body}");
        answer.assert_problem(status, code);
        match code {
            "stale_revision" => assert_eq!(answer.body["current_revision"], 1),
            "invalid_input" => assert!(!answer.body["fields"].as_array().unwrap().is_empty()),
            _ => assert_eq!(answer.body.get("fields"), None),
        }
    }
    assert_eq!(context.counts().await, before);
}

#[tokio::test]
async fn what_is_no_json_request_is_refused() {
    let context = Context::new().await;
    let before = context.counts().await;
    let good = json!({"user_id": "ada", "title": "x"}).to_string();
    let large = " ".repeat(MAX_BODY_BYTES) + &good;
    let latin = [br#"{"user_id": "ada", "title": ""#, &b"\xe4\"}"[..]].concat();
    let cases: Vec<(u16, &str, &[(&str, &str)], Vec<u8>)> = vec![
        (400, "invalid_json", &[JSON], b"{".to_vec()),
        (400, "invalid_json", &[JSON], b"".to_vec()),
        (400, "invalid_json", &[JSON], b"title=x".to_vec()),
        (400, "invalid_json", &[JSON], latin),
        (413, "body_too_large", &[JSON], large.into_bytes()),
        (415, "unsupported_media_type", &[], good.clone().into_bytes()),
        (415, "unsupported_media_type", &[("Content-Type", "text/plain")], good.clone().into_bytes()),
        (422, "invalid_input", &[JSON, ("Idempotency-Key", "")], good.clone().into_bytes()),
        (422, "invalid_input", &[JSON, ("Idempotency-Key", "a b")], good.clone().into_bytes()),
        (422, "invalid_input", &[JSON, ("Idempotency-Key", "ä")], good.clone().into_bytes()),
        (422, "invalid_input", &[JSON, ("X-Correlation-Id", "7")], good.clone().into_bytes()),
    ];
    for (status, code, headers, body) in cases {
        println!("{headers:?} {}", String::from_utf8_lossy(&body[..body.len().min(80)]));
        context.server.send("POST", "/v1/vibes", headers, body).await.assert_problem(status, code);
    }
    assert_eq!(context.counts().await, before);
    let declared = [("Content-Type", "application/json; charset=utf-8")];
    assert_eq!(context.server.send("POST", "/v1/vibes", &declared, good).await.status.as_u16(), 201);
}

#[tokio::test]
async fn all_unusable_fields_are_named_at_once() {
    let context = Context::new().await;
    let body = json!({"user_id": "ADA", "title": "", "description": "\u{1}"});
    let answer = context.server.json_with("POST", "/v1/vibes", &[("Idempotency-Key", "a b")], &body).await;
    let fields: Vec<&str> = answer.body["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| each["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["user_id", "title", "description", "idempotency_key"]);
}

#[tokio::test]
async fn a_key_of_another_request_is_refused() {
    let context = Context::new().await;
    let key = [("Idempotency-Key", "k")];
    let body = |title: &str| json!({"user_id": "ada", "title": title});
    let first = context.server.json_with("POST", "/v1/vibes", &key, &body("one")).await;
    assert_eq!(first.status.as_u16(), 201);
    let before = context.counts().await;
    let other = context.server.json_with("POST", "/v1/vibes", &key, &body("two")).await;
    other.assert_problem(422, "idempotency_key_reused");
    assert_eq!(context.counts().await, before);
}

#[tokio::test]
async fn queries_for_what_is_not_there_are_refused() {
    let context = Context::new().await;
    for (status, code, path) in [
        (404, "unknown_vibe", format!("/v1/vibes/{}", Uuid::new_v4())),
        (404, "unknown_vibe", "/v1/vibes/7".to_owned()),
        (404, "unknown_user", "/v1/users/eve/vibes".to_owned()),
        (404, "unknown_user", "/v1/users/EVE/vibes".to_owned()),
        (404, "unknown_user", "/v1/users/%FF/vibes".to_owned()),
        (422, "invalid_input", "/v1/users/ada/vibes?limit=0".to_owned()),
        (422, "invalid_input", "/v1/users/ada/vibes?limit=101".to_owned()),
        (422, "invalid_input", "/v1/users/ada/vibes?limit=many".to_owned()),
        (422, "invalid_input", "/v1/users/ada/vibes?cursor=x".to_owned()),
        (422, "invalid_input", "/v1/users/ada/vibes?page=2".to_owned()),
    ] {
        println!("{path}");
        context.server.get(&path).await.assert_problem(status, code);
    }
    let refused = context.server.send("DELETE", "/v1/vibes", &[], "").await;
    refused.assert_problem(405, "method_not_allowed");
    assert_eq!(refused.header("allow"), Some("POST"));
}
