use std::collections::HashSet;

use serde_json::json;

use crate::support::Api;

#[tokio::test]
async fn a_case_from_its_opening_to_its_end() {
    let api = Api::start().await;
    let request = json!({"title": "Look at it", "vibe_id": "v-1", "tasks": ["write", {"title": "read", "kind": "review"}]});
    let opened = api.post("/v1/cases", request).await;
    assert_eq!(opened.status, 201, "{opened:?}");
    let case = opened.body.clone();
    assert_eq!(
        (case["state"].as_str(), case["revision"].as_i64(), case["open_tasks"].as_i64()),
        (Some("open"), Some(1), Some(2))
    );
    assert_eq!(
        (case["tasks"][0]["kind"].as_str(), case["tasks"][1]["kind"].as_str()),
        (Some("follow_up"), Some("review"))
    );
    let location = opened.header("location").to_owned();
    assert_eq!(api.get(&location).await.body, case);
    for (task, state) in [(0, "open"), (1, "closed")] {
        let path = format!("/v1/tasks/{}/complete", case["tasks"][task]["task_id"].as_str().unwrap());
        let done = api.post(&path, json!({"completed_by": "ada"})).await;
        assert_eq!((done.status, done.body["state"].as_str()), (200, Some(state)), "{done:?}");
        assert_eq!(done.body["tasks"][task]["completed_by"], "ada");
        let again = api.post(&path, json!({"completed_by": "bob"})).await;
        assert_eq!((again.status, again.code()), (409, "already_completed"), "{again:?}");
    }
    assert_eq!(api.events().await, 3);
}

#[tokio::test]
async fn a_second_try_gets_the_first_answer() {
    let api = Api::start().await;
    let key = [("Idempotency-Key", "try-1")];
    let request = || json!({"title": "Once", "tasks": ["one"]});
    let first = api.keyed("POST", "/v1/cases", &key, request()).await;
    let again = api.keyed("POST", "/v1/cases", &key, request()).await;
    assert_eq!((first.status, again.status, &first.body), (201, 201, &again.body));
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    assert_eq!(first.header("location"), again.header("location"));
    let path = format!("/v1/tasks/{}/complete", first.body["tasks"][0]["task_id"].as_str().unwrap());
    for replayed in ["", "true"] {
        let done = api.keyed("POST", &path, &key, json!({"completed_by": "ada"})).await;
        assert_eq!((done.status, done.header("idempotency-replayed")), (200, replayed), "{done:?}");
    }
    let other = api.keyed("POST", &path, &key, json!({"completed_by": "bob"})).await;
    assert_eq!((other.status, other.code()), (422, "idempotency_key_reused"), "{other:?}");
    assert_eq!(api.events().await, 2);
}

#[tokio::test]
async fn headers_travel_with_the_event() {
    let api = Api::start().await;
    let correlation = "0192f0c1-2b3c-7d4e-8f90-a1b2c3d4e5f6";
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [("X-Correlation-Id", correlation), ("traceparent", trace)];
    assert_eq!(api.keyed("POST", "/v1/cases", &headers, json!({"title": "a"})).await.status, 201);
    let sql = format!("FROM outbox_events WHERE correlation_id = '{correlation}' AND trace_id = '{trace}'");
    assert_eq!(api.count(&sql).await, 1);
    let ill = [("traceparent", "nonsense with spaces ")];
    assert_eq!(api.keyed("POST", "/v1/cases", &ill, json!({"title": "b"})).await.status, 201);
    assert_eq!(api.count("FROM outbox_events WHERE trace_id IS NULL").await, 1);
}

#[tokio::test]
async fn pages_follow_each_other() {
    let api = Api::start().await;
    for number in 0..5 {
        assert_eq!(api.post("/v1/cases", json!({"title": format!("case {number}")})).await.status, 201);
    }
    let mut seen = Vec::new();
    let mut path = "/v1/cases?limit=2&state=open".to_owned();
    loop {
        let page = api.get(&path).await;
        assert_eq!(page.status, 200, "{page:?}");
        seen.extend(
            page.body["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|case| case["title"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page.body["next_cursor"].as_str() else { break };
        path = format!("/v1/cases?limit=2&state=open&cursor={cursor}");
    }
    assert_eq!(seen, ["case 4", "case 3", "case 2", "case 1", "case 0"]);
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 5);
}
