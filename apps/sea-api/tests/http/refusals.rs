use sea_public_api::VibesProChoice;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Api};

fn is_problem(answer: &Answer, status: u16, code: &str, said: &str) {
    assert_eq!((answer.status, answer.code()), (status, code), "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json", "{answer:?}");
    assert_eq!(answer.body["status"].as_u64(), Some(status.into()));
    assert!(answer.body.to_string().contains(said), "{said} in {answer:?}");
}

#[tokio::test]
async fn values_that_cannot_be_used_are_named() {
    let api = Api::start().await;
    let task = format!("/v1/tasks/{}/complete", Uuid::nil());
    let many: Vec<Value> = (0..21).map(|number| json!(format!("task {number}"))).collect();
    let policy = |change: Value| {
        let mut body =
            json!({"expression": "true", "on_violation": "review", "message": "m", "expected_version": 0});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    };
    for (method, path, body, said) in [
        ("POST", "/v1/cases", json!({"title": ""}), "title"),
        ("POST", "/v1/cases", json!({"title": "x".repeat(201)}), "has 201"),
        ("POST", "/v1/cases", json!({"title": "a\u{0}"}), "control character"),
        ("POST", "/v1/cases", json!({}), "title"),
        ("POST", "/v1/cases", json!({"title": 3}), "string"),
        ("POST", "/v1/cases", json!([]), "body"),
        ("POST", "/v1/cases", json!(["a title"]), "object"),
        ("POST", "/v1/cases", json!({"title": "a", "taks": []}), "taks"),
        ("POST", "/v1/cases", json!({"title": "a", "tasks": many}), "at most 20"),
        ("POST", "/v1/cases", json!({"title": "a", "tasks": [""]}), "tasks"),
        ("POST", "/v1/cases", json!({"title": "a", "tasks": [{"title": "t", "kind": "nap"}]}), "nap"),
        ("POST", "/v1/cases", json!({"title": "a", "tasks": [3]}), "a task is a title"),
        ("POST", "/v1/cases", json!({"title": "a", "vibe_id": "x".repeat(65)}), "vibe_id"),
        ("POST", &task, json!({"completed_by": " "}), "completed_by"),
        ("PUT", "/v1/policies/Bad-Name", policy(json!({})), "a-z"),
        ("PUT", "/v1/policies/p", policy(json!({"expression": "a".repeat(2001)})), "2000 bytes"),
        ("PUT", "/v1/policies/p", policy(json!({"on_violation": "shout"})), "shout"),
        ("PUT", "/v1/policies/p", policy(json!({"message": ""})), "message"),
        ("PUT", "/v1/policies/p", policy(json!({"expected_version": -1})), "expected_version"),
        ("POST", "/v1/governance/evaluations", json!({"facts": []}), "map"),
        ("POST", "/v1/governance/evaluations", json!({"facts": {"a": "x".repeat(66_000)}}), "65536 bytes"),
    ] {
        is_problem(&api.keyed(method, path, &[], body).await, 422, "invalid_input", said);
    }
    for path in ["/v1/cases?limit=0", "/v1/cases?limit=101", "/v1/cases?limit=x", "/v1/policies?limit=-1"] {
        is_problem(&api.get(path).await, 422, "invalid_input", "limit");
    }
    for path in ["/v1/cases?cursor=abc", "/v1/policies?cursor=", "/v1/policies/described/versions?cursor=!"] {
        is_problem(&api.get(path).await, 422, "invalid_input", "cursor");
    }
    is_problem(&api.get("/v1/cases?state=ajar").await, 422, "invalid_input", "ajar");
    let nothing = (api.events().await, api.count("FROM cases").await, api.count("FROM command_keys").await);
    assert_eq!(nothing, (0, 0, 0));
}

#[tokio::test]
async fn headers_that_cannot_be_used_are_named() {
    let api = Api::start().await;
    let long = "k".repeat(201);
    for (name, value) in [
        ("Idempotency-Key", ""),
        ("Idempotency-Key", "a b"),
        ("Idempotency-Key", long.as_str()),
        ("X-Correlation-Id", "not-a-uuid"),
    ] {
        let refused = api.keyed("POST", "/v1/cases", &[(name, value)], json!({"title": "a"})).await;
        is_problem(&refused, 422, "invalid_input", name);
    }
    let twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")];
    let refused = api.keyed("POST", "/v1/cases", &twice, json!({"title": "a"})).await;
    is_problem(&refused, 422, "invalid_input", "twice");
    assert_eq!(api.events().await, 0);
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused() {
    let api = Api::start().await;
    let json_type = [("content-type", "application/json")];
    for body in ["", "{", "{\"title\": \"a\",}", "\u{1}"] {
        let refused = api.send("POST", "/v1/cases", &json_type, body.to_owned()).await;
        is_problem(&refused, 400, "invalid_json", "line");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let refused =
            api.send("POST", "/v1/cases", &[("content-type", kind)], "{\"title\":\"a\"}".to_owned()).await;
        is_problem(&refused, 415, "unsupported_media_type", "application/json");
    }
    let large = format!("{{\"title\": \"a\"{}}}", " ".repeat(sea_api::MAX_BODY_BYTES));
    let refused = api.send("POST", "/v1/cases", &json_type, large).await;
    is_problem(&refused, 413, "too_large", "81920");
    let charset = [("content-type", "application/json; charset=utf-8")];
    assert_eq!(api.send("POST", "/v1/cases", &charset, "{\"title\":\"a\"}".to_owned()).await.status, 201);
    assert_eq!(api.events().await, 1);
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_not_there() {
    let api = Api::start().await;
    for (path, code) in [
        (format!("/v1/cases/{}", Uuid::nil()), "unknown_case"),
        ("/v1/cases/not-a-uuid".to_owned(), "unknown_case"),
        ("/v1/policies/none/versions".to_owned(), "unknown_policy"),
        ("/v1/policies/NONE/versions".to_owned(), "unknown_policy"),
        ("/v1/nothing".to_owned(), "not_found"),
    ] {
        is_problem(&api.get(&path).await, 404, code, "");
    }
    let done = api.post(&format!("/v1/tasks/{}/complete", Uuid::nil()), json!({"completed_by": "ada"})).await;
    is_problem(&done, 404, "unknown_task", "");
    let method = api.send("DELETE", "/v1/cases", &[], String::new()).await;
    is_problem(&method, 405, "method_not_allowed", "DELETE");
    assert!(method.header("allow").contains("GET"), "{method:?}");
    assert_eq!(api.events().await, 0);
}

#[tokio::test]
async fn a_missing_database_is_told_apart_from_a_mistake() {
    let api = Api::start_without_database().await;
    assert_eq!(api.get("/health/live").await.status, 200);
    for answer in [
        api.get("/health/ready").await,
        api.get("/v1/cases").await,
        api.post("/v1/cases", json!({"title": "a"})).await,
        api.post("/v1/governance/evaluations", json!({"facts": {}})).await,
    ] {
        is_problem(&answer, 503, "unavailable", "again");
        assert_ne!(answer.header("retry-after"), "");
    }
}

/// Without VibesPro a case about a vibe is not opened: nobody can say whether the vibe exists.
#[tokio::test]
async fn a_vibe_that_cannot_be_asked_about_opens_no_case() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let api = Api::start_with(VibesProChoice::Http { base_url: format!("http://{gone}") }).await;
    let about = |vibe: &str| json!({"title": "a", "vibe_id": vibe});
    let refused = api.post("/v1/cases", about("not-one-of-vibespros")).await;
    is_problem(&refused, 422, "unknown_vibe", "vibe_id");
    let refused = api.post("/v1/cases", about(&Uuid::nil().to_string())).await;
    is_problem(&refused, 503, "unavailable", "vibespro");
    assert_eq!(api.events().await, 0);
    assert_eq!(api.post("/v1/cases", json!({"title": "about nothing"})).await.status, 201);
}

#[tokio::test]
async fn a_ready_service_says_so() {
    let api = Api::start().await;
    assert_eq!(api.get("/health/ready").await.status, 200);
}
