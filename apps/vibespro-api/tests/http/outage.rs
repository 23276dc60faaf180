use std::sync::Arc;
use std::time::Duration;

use sea_mq_stack::free_port;
use serde_json::json;
use vibespro_public_api::{InProcess, Options};

use crate::support::{Context, Server};

#[tokio::test]
async fn without_a_database_it_is_alive_and_says_when_to_come_again() {
    let url = format!("postgres://vibespro_app:secret@127.0.0.1:{}/vibespro_db", free_port().unwrap());
    let options = Options { acquire_timeout: Duration::from_millis(300), ..Options::default() };
    let server = Server::over(Arc::new(InProcess::connect(&url, &options).unwrap())).await;
    assert_eq!(server.get("/health/live").await.status.as_u16(), 200);
    let create = server.json("POST", "/v1/vibes", &json!({"user_id": "ada", "title": "x"})).await;
    for refused in [server.get("/health/ready").await, create] {
        refused.assert_problem(503, "unavailable");
        assert_eq!(refused.header("retry-after"), Some("2"));
        assert!(!refused.body.to_string().contains("secret"));
    }
}

#[tokio::test]
async fn with_its_tables_it_is_ready() {
    let context = Context::new().await;
    assert_eq!(context.server.get("/health/ready").await.body, json!({"status": "ready"}));
}
