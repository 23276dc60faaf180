use hyper::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::support::Context;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn from_a_user_to_a_scored_vibe() {
    let context = Context::new().await;
    let server = &context.server;
    let renamed = server.json("PUT", "/v1/users/ada", &json!({"name": "Ada L."})).await;
    assert_eq!((renamed.status, renamed.body), (StatusCode::OK, json!({"user_id": "ada", "name": "Ada L."})));

    let created = server.json("POST", "/v1/vibes", &json!({"user_id": "ada", "title": " Calm "})).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let vibe = &created.body;
    assert_eq!((&vibe["title"], &vibe["description"]), (&json!("Calm"), &json!("")));
    assert_eq!((&vibe["score"], &vibe["decision"]), (&json!(null), &json!(null)));
    let path = created.header("location").unwrap().to_owned();
    assert_eq!(path, format!("/v1/vibes/{}", vibe["vibe_id"].as_str().unwrap()));
    assert_eq!(server.get(&path).await.body, *vibe);

    let change = json!({"expected_revision": 1, "description": "slow"});
    let updated = server.json("PATCH", &path, &change).await;
    assert_eq!((updated.status, &updated.body["revision"]), (StatusCode::OK, &json!(2)));
    let score = json!({"expected_revision": 2, "score": 80});
    let scored = server.json("POST", &format!("{path}/score"), &score).await;
    assert_eq!((scored.status, &scored.body["score"]), (StatusCode::OK, &json!(80)));
    assert_eq!(server.get(&path).await.body, scored.body);
    assert_eq!(context.counts().await, (1, 3, 0));
}

#[tokio::test]
async fn a_repeated_command_is_carried_out_once() {
    let context = Context::new().await;
    let create = || async {
        let body = json!({"user_id": "ada", "title": "Calm"});
        context.server.json_with("POST", "/v1/vibes", &[("Idempotency-Key", "k")], &body).await
    };
    let (first, again) = (create().await, create().await);
    assert_eq!((first.status, again.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!(
        (first.header("idempotency-replayed"), again.header("idempotency-replayed")),
        (None, Some("true"))
    );
    assert_eq!(first.body, again.body);
    assert_eq!(first.header("location"), again.header("location"));
    assert_eq!(context.counts().await, (1, 1, 1));

    // The key of another operation is another key; its repetition is not stale.
    let path = format!("{}/score", first.header("location").unwrap());
    for replayed in [None, Some("true")] {
        let body = json!({"expected_revision": 1, "score": 1});
        let scored = context.server.json_with("POST", &path, &[("Idempotency-Key", "k")], &body).await;
        assert_eq!((scored.status, scored.header("idempotency-replayed")), (StatusCode::OK, replayed));
    }
    assert_eq!(context.counts().await, (1, 2, 2));
}

#[tokio::test]
async fn where_a_command_comes_from_travels_with_its_event() {
    let context = Context::new().await;
    let correlation = Uuid::new_v4();
    let headers = [("X-Correlation-Id", correlation.to_string()), ("traceparent", TRACE.to_owned())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = json!({"user_id": "ada", "title": "Calm"});
    context.server.json_with("POST", "/v1/vibes", &headers, &body).await;
    assert_eq!(context.newest_origin().await, (correlation, Some(TRACE.to_owned())));

    // A broken trace is a new one, and no reason to refuse.
    let answer = context.server.json_with("POST", "/v1/vibes", &[("traceparent", "00-x")], &body).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(context.newest_origin().await.1, None);
}

#[tokio::test]
async fn what_governance_decided_is_shown() {
    let context = Context::new().await;
    let vibe_id = context.create("Calm").await["vibe_id"].as_str().unwrap().to_owned();
    let case_id = Uuid::new_v4();
    context
        .execute(&format!(
            "UPDATE vibes SET decision_outcome = 'rejected', decision_reason = 'score is below 40',
                 decision_case_id = '{case_id}', decided_at = '2026-01-02T03:04:05Z'"
        ))
        .await;
    let shown = context.server.get(&format!("/v1/vibes/{vibe_id}")).await.body;
    let expected = json!({"outcome": "rejected", "reason": "score is below 40", "case_id": case_id,
        "decided_at": "2026-01-02T03:04:05Z"});
    assert_eq!(shown["decision"], expected);
    assert_eq!(shown["revision"], 1);
}
