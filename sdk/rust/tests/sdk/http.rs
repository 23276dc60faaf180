//! The contract over HTTP.

use sea_mq_sdk::{Call, Options, router};
use serde_json::{Value, json};

use crate::context::Context;
use crate::socket::{Service, bytes, one};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async fn served(context: &Context) -> Service {
    let options = Options { batch: Some(5), ready: vec!["coins.note".to_owned()], ..Options::default() };
    Service::serve(router(context.handlers.clone(), options)).await
}

#[tokio::test]
async fn an_answer_is_a_status_and_words() {
    let context = Context::new().await;
    let service = served(&context).await;
    let call = one(&context.call("coin", json!({"note": "a"})).await);
    let reply = service.post("/handle", &call).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "processed"));
    assert_eq!(service.post("/handle", &call).await.status, 409);
    let later = one(&context.call("coin", json!({"note": "a", "then": {"retry_after_ms": 1_500}})).await);
    let reply = service.post("/handle", &later).await;
    assert_eq!((reply.status, reply.body.as_str()), (503, "not yet"));
    assert!(reply.head.contains("retry-after: 2\r"), "{}", reply.head);
}

#[tokio::test]
async fn the_trace_of_a_single_call_is_a_header() {
    let context = Context::new().await;
    let service = served(&context).await;
    let payload = json!({"note": "", "then": {"emit": "a.v1"}});
    let call = context.call("coin", payload.clone()).await;
    assert_eq!(service.send("POST", "/handle", &[("traceparent", TRACE)], &one(&call)).await.status, 200);
    assert_eq!(context.worker.emitted(&call).await.unwrap()[0].traceparent.as_deref(), Some(TRACE));
    let call = Call { traceparent: Some(TRACE.to_owned()), ..context.call("coin", payload).await };
    assert_eq!(service.post("/handle/batch", &bytes(std::slice::from_ref(&call))).await.status, 200);
    assert_eq!(context.worker.emitted(&call).await.unwrap()[0].traceparent.as_deref(), Some(TRACE));
}

#[tokio::test]
async fn a_batch_has_an_answer_for_each() {
    let context = Context::new().await;
    let service = served(&context).await;
    let payloads = [json!({"note": "a"}), json!({"note": "", "then": "retry"}), json!({"note": 7})];
    let calls = context.calls("coin", &payloads).await;
    let reply = service.post("/handle/batch", &bytes(&calls)).await;
    let why = "the payload does not validate: note: must be a string, is integer";
    let expected = json!([
        {"status": 200, "why": "processed", "retry_after": null},
        {"status": 503, "why": "not yet", "retry_after": 1},
        {"status": 422, "why": why, "retry_after": null},
    ]);
    assert_eq!((reply.status, reply.json()), (200, expected));
}

#[tokio::test]
async fn what_is_no_call_is_refused_by_the_name_of_its_field() {
    let context = Context::new().await;
    let service = served(&context).await;
    let call = serde_json::to_value(context.call("coin", json!({"note": "a"})).await).unwrap();
    let with = |name: &str, value: Value| {
        let mut call = call.clone();
        call[name] = value;
        call
    };
    let mut headless = call.clone();
    headless.as_object_mut().unwrap().remove("fence");
    for (wrong, why) in [
        (json!("secret"), "must be struct Event"),
        (json!([]), ""),
        (headless, "missing field `fence`"),
        (with("message_id", json!("secret")), "message_id: is not valid"),
        (with("fence", json!("secret")), "fence: must be i64, is string"),
        (with("fence", json!(-1)), "fence: must be 0 or more"),
        (with("attempt", json!(0)), "attempt: must be 1 or more"),
        (with("occurred_at", json!("secret")), "occurred_at: is not valid"),
        (with("consumer", json!("secret\0")), "null character"),
    ] {
        let reply = service.post("/handle", wrong.to_string().as_bytes()).await;
        assert!(reply.status == 400 && reply.body.contains(why), "{wrong}: {} {}", reply.status, reply.body);
        assert!(!reply.body.contains("secret"), "{}", reply.body);
        let batch = json!([call, wrong]).to_string();
        let reply = service.post("/handle/batch", batch.as_bytes()).await;
        assert!(
            reply.status == 400 && reply.body.contains("[1]"),
            "{wrong}: {} {}",
            reply.status,
            reply.body
        );
    }
    for nonsense in [&b""[..], b"{", b"\xff", b"{}{}"] {
        assert_eq!(service.post("/handle", nonsense).await.status, 400);
        assert_eq!(service.post("/handle/batch", nonsense).await.status, 400);
    }
    assert_eq!(service.post("/handle", with("more", json!(1)).to_string().as_bytes()).await.status, 200);
}

#[tokio::test]
async fn every_bound_binds() {
    let context = Context::new().await;
    let service = served(&context).await;
    let payloads: Vec<Value> = (0..6).map(|n| json!({"note": n.to_string()})).collect();
    let calls = context.calls("coin", &payloads).await;
    assert_eq!(service.post("/handle/batch", b"[]").await.status, 400);
    assert_eq!(service.post("/handle/batch", &bytes(&calls)).await.status, 400);
    assert_eq!(service.post("/handle/batch", &bytes(&calls[..5])).await.status, 200);
    let spaces = |call: &Call, length: usize| {
        let mut body = one(call);
        body.resize(length, b' ');
        body
    };
    assert_eq!(service.post("/handle", &spaces(&calls[5], (16 << 20) + 1)).await.status, 413);
    assert_eq!(service.post("/handle", &spaces(&calls[5], 16 << 20)).await.status, 200);
    assert_eq!(service.post("/handle/batch", &vec![b' '; (64 << 20) + 1]).await.status, 413);
}

#[tokio::test]
async fn capabilities_and_health() {
    let context = Context::new().await;
    let service = served(&context).await;
    let offered = service.get("/handle/capabilities").await.json();
    assert_eq!((&offered["contract"], &offered["batch"]), (&json!(1), &json!({"max_events": 5})));
    assert_eq!(offered["events"][1], json!({"event_type": "coin", "event_version": 1}));
    assert_eq!(offered["events"].as_array().unwrap().len(), 4, "what is ignored is not among them");
    assert_eq!(service.get("/health/live").await.status, 200);
    assert_eq!(service.get("/health/ready").await.status, 200);
    assert_eq!(service.get("/handle").await.status, 405);
    assert_eq!(service.get("/elsewhere").await.status, 404);

    let options =
        Options { path: "/worker/calls".to_owned(), ready: vec!["cases".to_owned()], ..Options::default() };
    let service = Service::serve(router(context.handlers.clone(), options)).await;
    assert_eq!(service.get("/worker/calls/capabilities").await.json()["batch"], Value::Null);
    assert_eq!(service.post("/worker/calls/batch", b"[]").await.status, 404);
    let unready = service.get("/health/ready").await;
    assert_eq!(unready.status, 503);
    assert!(unready.json()["why"].as_str().unwrap().contains("there is no cases"));
}
