use serde_json::json;

use crate::support::Api;

#[tokio::test]
async fn policies_are_versioned() {
    let api = Api::start().await;
    let put = |expression: &str, expected: i32| json!({"expression": expression, "on_violation": "reject", "message": "too loud", "expected_version": expected});
    let first = api.put("/v1/policies/quiet", put("facts.noise < 3", 0)).await;
    assert_eq!((first.status, first.body["version"].as_i64()), (201, Some(1)), "{first:?}");
    let second = api.put("/v1/policies/quiet", put("facts.noise < 4", 1)).await;
    assert_eq!((second.status, second.body["version"].as_i64()), (200, Some(2)), "{second:?}");
    let stale = api.put("/v1/policies/quiet", put("facts.noise < 5", 1)).await;
    assert_eq!(
        (stale.status, stale.code(), stale.body["current_version"].as_i64()),
        (409, "stale_version", Some(2))
    );
    let versions = api.get("/v1/policies/quiet/versions?limit=1").await;
    assert_eq!(versions.body["items"][0]["expression"], "facts.noise < 4");
    let rest =
        format!("/v1/policies/quiet/versions?cursor={}", versions.body["next_cursor"].as_str().unwrap());
    assert_eq!(api.get(&rest).await.body["items"][0]["version"], 1);
    let all = api.get("/v1/policies").await;
    let names: Vec<_> =
        all.body["items"].as_array().unwrap().iter().map(|policy| policy["name"].clone()).collect();
    assert_eq!(names, ["described", "minimum_score", "quiet"]);
    assert_eq!(api.events().await, 0);
}

#[tokio::test]
async fn facts_are_judged() {
    let api = Api::start().await;
    for (facts, outcome, failed) in [
        (json!({"score": 90, "title": "Calm"}), "approved", json!([])),
        (json!({"score": 90, "title": ""}), "review", json!(["described"])),
        (json!({"score": 1, "title": "Calm"}), "rejected", json!(["minimum_score"])),
        (json!({}), "rejected", json!(["described", "minimum_score"])),
    ] {
        let judged = api.post("/v1/governance/evaluations", json!({"facts": facts})).await;
        assert_eq!((judged.status, judged.body["outcome"].as_str()), (200, Some(outcome)), "{judged:?}");
        let policies = judged.body["policies"].as_array().unwrap();
        let fails: Vec<_> = policies.iter().filter(|policy| policy["passed"] == false).collect();
        assert!(
            fails.iter().all(|policy| policy["message"].is_string() && policy["version"] == 1),
            "{judged:?}"
        );
        assert_eq!(json!(fails.iter().map(|policy| policy["name"].clone()).collect::<Vec<_>>()), failed);
    }
    let missing = api.post("/v1/governance/evaluations", json!({"facts": {"title": "Calm"}})).await;
    let message = missing.body["policies"][1]["message"].as_str().unwrap();
    assert!(message.contains("The score is below 40.") && message.contains("score"), "{message}");
    assert_eq!(
        (api.events().await, api.count("FROM governance_decisions").await),
        (0, 0),
        "nothing is written"
    );
}

#[tokio::test]
async fn faults_in_an_expression_are_shown_where_they_are() {
    let api = Api::start().await;
    for (expression, line, part) in [
        ("facts.score >=", 1, "yntax"),
        ("true &&\nscore > 3", 2, "facts.score"),
        ("facts.score + 1", 1, "true or false"),
        (&*"!".repeat(1999), 1, ""),
    ] {
        let body = json!({"expression": expression, "on_violation": "review", "message": "m", "expected_version": 0});
        let refused = api.put("/v1/policies/p", body).await;
        assert_eq!((refused.status, refused.code()), (422, "invalid_expression"), "{refused:?}");
        let field = &refused.body["fields"][0];
        assert_eq!(
            (field["field"].as_str(), field["line"].as_i64()),
            (Some("expression"), Some(line)),
            "{refused:?}"
        );
        assert!(field["column"].is_i64() && field["problem"].as_str().unwrap().contains(part), "{refused:?}");
    }
    assert_eq!(api.count("FROM policies WHERE name = 'p'").await, 0);
}
