//! The description says what is served, and nothing else.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vibespro_api::{OPENAPI, operations};

use crate::support::Context;

fn document() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

/// Names of the properties of a described shape; all of them, and those that are always there.
fn properties(document: &Value, name: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let schema = &document["components"]["schemas"][name];
    let required =
        schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
    (keys(&schema["properties"]), required.collect())
}

#[test]
fn described_and_served_are_the_same() {
    let document = document();
    let described: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let methods = keys(item).into_iter().filter(|key| key != "parameters");
            methods.map(|method| (path.clone(), method)).collect::<Vec<_>>()
        })
        .collect();
    let served: BTreeSet<(String, String)> = operations()
        .into_iter()
        .map(|(method, path)| (path.to_owned(), method.as_str().to_owned()))
        .collect();
    assert_eq!(described, served);
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(document: &Value, value: &Value) {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        match value {
            Value::Object(entries) => entries.values().for_each(|entry| check(document, entry)),
            Value::Array(entries) => entries.iter().for_each(|entry| check(document, entry)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    check(&document(), &document());
}

#[tokio::test]
async fn every_described_operation_is_routed_and_answers_have_the_described_shape() {
    let context = Context::new().await;
    assert_eq!(context.server.get("/openapi.json").await.body, document());
    for (method, path) in operations() {
        let path = path.replace("{user_id}", "ada").replace("{vibe_id}", &uuid::Uuid::nil().to_string());
        let answer = context.server.send(&method.as_str().to_uppercase(), &path, &[], "").await;
        for code in ["unknown_path", "method_not_allowed"] {
            assert_ne!(answer.body["type"], format!("urn:vibespro:problem:{code}"), "{method:?} {path}");
        }
    }

    let vibe = context.create("Calm").await;
    context.execute("UPDATE vibes SET decision_outcome = 'approved', decided_at = now()").await;
    let decided = context.server.get(&format!("/v1/vibes/{}", vibe["vibe_id"].as_str().unwrap())).await.body;
    let user = context.server.json("PUT", "/v1/users/ada", &json!({"name": "Ada"})).await.body;
    let page = context.server.get("/v1/users/ada/vibes").await.body;
    let health = context.server.get("/health/ready").await.body;
    let problem = context.server.get("/v1/vibes/7").await.body;
    for (name, answer) in [
        ("VibeSummary", &vibe),
        ("Decision", &decided["decision"]),
        ("User", &user),
        ("VibePage", &page),
        ("Health", &health),
        ("Problem", &problem),
    ] {
        let (all, required) = properties(&document(), name);
        assert!(keys(answer).is_subset(&all) && keys(answer).is_superset(&required), "{name}: {answer}");
    }
}

#[tokio::test]
async fn requests_have_the_described_shape() {
    let context = Context::new().await;
    let vibe = context.create("Calm").await["vibe_id"].as_str().unwrap().to_owned();
    let full = [
        ("RegisterUser", "PUT", "/v1/users/bob".to_owned(), json!({"name": "Bob"})),
        (
            "CreateVibe",
            "POST",
            "/v1/vibes".to_owned(),
            json!({"user_id": "ada", "title": "x", "description": "y"}),
        ),
        (
            "UpdateVibe",
            "PATCH",
            format!("/v1/vibes/{vibe}"),
            json!({"expected_revision": 1, "title": "x", "description": "y"}),
        ),
        ("ScoreVibe", "POST", format!("/v1/vibes/{vibe}/score"), json!({"expected_revision": 2, "score": 1})),
    ];
    for (name, method, path, body) in full {
        let (all, required) = properties(&document(), name);
        assert_eq!(keys(&body), all, "{name}");
        for field in required {
            let mut lacking = body.clone();
            lacking.as_object_mut().unwrap().remove(&field);
            context.server.json(method, &path, &lacking).await.assert_problem(422, "invalid_input");
        }
        let answer = context.server.json(method, &path, &body).await;
        assert!(answer.status.is_success(), "{name}: {}", answer.body);
    }
}
