//! One line an event, which says where and quotes nothing.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use sea_mq_sdk::Answer;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::context::Context;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// What is answered to an event, and the only line of the log about it.
async fn logged(context: &Context, event_type: &str, payload: Value) -> (Answer, Value) {
    let call = context.call(event_type, payload).await;
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(lines.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let answer = context.handlers.answer(call.clone()).await;
    drop(guard);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains("secret"), "{text}");
    let said: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut ours = said.into_iter().filter(|line| line["target"].as_str().unwrap().starts_with("sea_mq_sdk"));
    let line = ours.next().unwrap();
    assert!(ours.next().is_none(), "{text}");
    assert_eq!(
        (line["message_id"].as_str(), &line["attempt"]),
        (Some(call.message_id.to_string().as_str()), &json!(1))
    );
    assert_eq!(
        (line["consumer"].as_str(), &line["status"]),
        (Some("testing__from_you"), &json!(answer.status))
    );
    (answer, line)
}

fn then(then: &Value) -> Value {
    json!({"note": "secret", "then": then})
}

#[tokio::test]
async fn a_line_has_what_an_event_is_found_by() {
    let context = Context::new().await;
    let (_, line) = logged(&context, "coin", json!({"note": "secret"})).await;
    assert_eq!((&line["level"], &line["message"]), (&json!("INFO"), &json!("processed")));
    assert!(line["took_ms"].as_f64().unwrap() > 0.0 && line.get("error").is_none(), "{line}");
    let (_, line) = logged(&context, "coin", json!({"note": 1})).await;
    assert_eq!((&line["level"], &line["status"]), (&json!("WARN"), &json!(422)));
}

#[tokio::test]
async fn a_failure_is_told_with_its_place() {
    let context = Context::new().await;
    for what in ["error", "poison", "retry"] {
        let (_, line) = logged(&context, "coin", then(&json!(what))).await;
        assert!(line["at"].as_str().unwrap().contains("tests/sdk/handlers.rs:"), "{line}");
    }
    let refused = "INSERT INTO notes VALUES ('secret'), ('secret'); SET CONSTRAINTS ALL IMMEDIATE";
    let (_, line) = logged(&context, "coin", then(&json!({"sql": refused}))).await;
    assert_eq!((&line["sqlstate"], &line["table"]), (&json!("23505"), &json!("notes")), "{line}");
    assert_eq!((&line["constraint"], &line["level"]), (&json!("note_once"), &json!("ERROR")));
    let (_, line) = logged(&context, "coin", then(&json!({"sql": "COMMIT"}))).await;
    assert!(line["error"].as_str().unwrap().contains("savepoints"), "{line}");
}
