use serde_json::json;

use crate::support::Context;

#[tokio::test]
async fn a_user_s_vibes_come_page_by_page() {
    let context = Context::new().await;
    for number in 0..5 {
        context.create(&number.to_string()).await;
    }
    let mut path = "/v1/users/ada/vibes?limit=2".to_owned();
    let mut pages = Vec::new();
    loop {
        let page = context.server.get(&path).await.body;
        let titles: Vec<String> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v["title"].as_str().unwrap().to_owned())
            .collect();
        pages.push(titles);
        // What is created while somebody pages does not shift what follows.
        context.create("new").await;
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/users/ada/vibes?limit=2&cursor={cursor}");
    }
    assert_eq!(pages, [vec!["4", "3"], vec!["2", "1"], vec!["0"]]);
}

#[tokio::test]
async fn twenty_unless_asked_and_none_for_a_new_user() {
    let context = Context::new().await;
    for number in 0..21 {
        context.create(&number.to_string()).await;
    }
    let page = context.server.get("/v1/users/ada/vibes").await.body;
    assert_eq!(page["items"].as_array().unwrap().len(), 20);
    assert!(page["next_cursor"].is_string());
    context.server.json("PUT", "/v1/users/bob", &json!({"name": "Bob"})).await;
    let none = context.server.get("/v1/users/bob/vibes").await.body;
    assert_eq!(none, json!({"items": [], "next_cursor": null}));
}
