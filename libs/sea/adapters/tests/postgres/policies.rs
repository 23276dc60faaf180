use std::sync::Arc;

use sea_app::{PutPolicy, SeaError};
use sea_domain::{Expression, OnViolation, Outcome, PolicyDraft, PolicyMessage, PolicyName};
use sea_ports::{Facts, PageLimit, PageRequest};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{policies_of, support};

fn put(name: &str, expression: &str, expected_version: i32) -> PutPolicy {
    let draft = PolicyDraft {
        expression: Expression::parse(expression).unwrap(),
        on_violation: OnViolation::Reject,
        message: PolicyMessage::parse("not in order").unwrap(),
        active: true,
    };
    PutPolicy { name: PolicyName::parse(name).unwrap(), draft, expected_version }
}

fn facts(value: Value) -> Facts {
    let Value::Object(object) = value else { panic!("facts are an object") };
    Facts::new(object).unwrap()
}

fn first<P>(limit: u32) -> PageRequest<P> {
    PageRequest { limit: PageLimit::new(limit).unwrap(), after: None }
}

#[tokio::test]
async fn the_policies_that_come_along_judge() {
    let database = support::sea().await;
    let policies = policies_of(&database);
    for (over, outcome) in [
        (json!({"score": 40, "title": "Calm"}), Outcome::Approved),
        (json!({"score": 39, "title": "Calm"}), Outcome::Rejected),
        (json!({"score": 80, "title": ""}), Outcome::Review),
        (json!({"title": "Calm"}), Outcome::Rejected),
    ] {
        let found = policies.evaluate(&facts(over.clone())).await.unwrap();
        assert_eq!(found.outcome, outcome, "{over}");
        assert_eq!(found.policies.len(), 2);
    }
    assert_eq!(database.events().await, 0, "judging writes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_next_versions_one_counts() {
    let database = support::sea().await;
    let policies = Arc::new(policies_of(&database));
    for expected in 0..3 {
        let mut tries = JoinSet::new();
        for number in 0..10 {
            let policies = Arc::clone(&policies);
            tries
                .spawn(async move { policies.put(put("p", &format!("facts.a > {number}"), expected)).await });
        }
        let (done, refused): (Vec<_>, Vec<_>) = tries.join_all().await.into_iter().partition(Result::is_ok);
        assert_eq!((done.len(), refused.len()), (1, 9));
        for refusal in refused {
            assert!(matches!(refusal, Err(SeaError::StaleVersion { current }) if current == expected + 1));
        }
    }
    let versions = policies.versions(&PolicyName::parse("p").unwrap(), first(2)).await.unwrap();
    assert_eq!(versions.items.iter().map(|policy| policy.version).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(versions.next, Some(2));
}

#[tokio::test]
async fn versions_follow_each_other_and_the_latest_holds() {
    let database = support::sea().await;
    let policies = policies_of(&database);
    for (expected, current) in [(1, 0), (7, 0)] {
        let refused = policies.put(put("p", "facts.a > 1", expected)).await.unwrap_err();
        assert!(
            matches!(refused, SeaError::StaleVersion { current: found } if found == current),
            "{refused}"
        );
    }
    policies.put(put("p", "facts.a > 1", 0)).await.unwrap();
    let over = facts(json!({"score": 99, "title": "t", "a": 0}));
    assert_eq!(policies.evaluate(&over).await.unwrap().outcome, Outcome::Rejected);
    let mut ended = put("p", "facts.a > 1", 1);
    ended.draft.active = false;
    policies.put(ended).await.unwrap();
    assert_eq!(
        policies.evaluate(&over).await.unwrap().outcome,
        Outcome::Approved,
        "an ended policy is silent"
    );
    let names = policies.latest(first(2)).await.unwrap();
    let names: Vec<_> = names.items.iter().map(|policy| (policy.name.as_str(), policy.version)).collect();
    assert_eq!(names, [("described", 1), ("minimum_score", 1)]);
    let refused = policies.put(put("q", "facts.a >", 0)).await.unwrap_err();
    assert!(matches!(refused, SeaError::InvalidExpression(_)), "{refused}");
}
