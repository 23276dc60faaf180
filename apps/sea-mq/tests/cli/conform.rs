use std::path::Path;
use std::time::Duration;

use sea_mq_database::{ConnectOptions, Password, ProvisionRequest, Provisioned, connect, provision};
use sea_mq_event::ContextName;
use sea_mq_stack::{Launch, Process, StateDir, free_port, project_root, shared_postgres};

use crate::program::{Run, unique_name, with_env};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const EVENT: &str = "mint.event.coin_thrown.v1";
const PAYLOAD: &str = r#"{"coin_id": "{uuid}", "value": 3}"#;

async fn context() -> Provisioned {
    let name = ContextName::parse(&unique_name()).unwrap();
    let password = |role: &str| Password::new(role, "secret").unwrap();
    let request = ProvisionRequest::new(name, password("app"), password("worker"));
    provision(&shared_postgres().await.unwrap().admin_url(), &request).await.unwrap()
}

/// A service on the Python SDK that takes `coin_thrown`.
async fn coins(context: &Provisioned, state: &StateDir, address: &str) -> Process {
    let name = context.names.database.trim_end_matches("_db");
    let service = Launch::new("coins", project_root().join(".venv/bin/python3"))
        .args(["-m", "coins"])
        .dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../libs/mq/conform/tests/conform"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONPATH", project_root().join("sdk/python/src").display().to_string())
        // What follows is for this product's own driver.
        .env("DB_URL", context.urls.app.split('?').next().unwrap_or_default())
        .env("LISTEN", address)
        .env("HANDLER_SECRET", SECRET)
        .env("KEPT", format!("{name}.event.coin_kept.v1"))
        .env("TRANSACTION", "each")
        .start(state)
        .await
        .unwrap();
    service.wait_for_line("Uvicorn running on", Duration::from_secs(60)).await.unwrap();
    service
}

fn conform(handler: &str, db_url: &str, more: &[&str]) -> Run {
    let mut args = vec!["conform", "--handler", handler, "--db-url", db_url];
    args.extend(more);
    with_env(&args, &[("HANDLER_SECRET", SECRET)])
}

#[tokio::test]
async fn a_handler_is_judged_rule_by_rule() {
    let (context, state) = (context().await, StateDir::temporary().unwrap());
    let address = format!("127.0.0.1:{}", free_port().unwrap());
    let _service = coins(&context, &state, &address).await;
    let handler = format!("http://{address}/handle");
    let judged = |more: &[&str]| conform(&handler, &context.urls.worker, more);
    let event = ["--event", EVENT, "--payload", PAYLOAD];

    let text = judged(&event).done();
    assert!(text.contains("passed  attempt.overtaken") && text.contains(" 0 failed, 0 not"), "{text}");
    let report = judged(&[&event[..], &["--json", "--invalid-payload", "none"]].concat()).json();
    assert_eq!((&report["failed"], &report["not_applicable"]), (&0.into(), &3.into()), "{report}");

    // A valid payload is not refused: the report says which rule that breaks, and how.
    let run = judged(&[&event[..], &["--invalid-payload", PAYLOAD]].concat());
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.out.contains("FAILED  refusal.invalid_payload") && run.out.contains("came      200"),
        "{run:?}"
    );
    assert!(run.out.contains("docs/reference/handler-contract.md#what-the-answers-mean"), "{run:?}");

    // No contract of its event is to be found here.
    judged(&[]).refused(64, "its capabilities list coin_thrown v1");
    judged(&["--event", EVENT]).refused(64, "has no example: say --payload");
    judged(&["--payload", PAYLOAD]).refused(64, "--payload needs --event");
    judged(&["--event", "coin", "--payload", PAYLOAD]).refused(64, "no subject of an event");
    judged(&["--event", EVENT, "--payload", "{"]).refused(64, "the payload is not JSON");
    judged(&["--event", EVENT, "--payload", "absent.json"]).refused(64, "absent.json cannot be read");
    judged(&["--secret-file", "absent"]).refused(64, "choose one");
    example(&handler, &context.urls.worker);
}

/// The example of a contract is the payload.
fn example(handler: &str, db_url: &str) {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("mint")).unwrap();
    let schema = serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:sea-mq:contract:mint:coin_thrown:v1",
        "type": "object",
        "description": "A coin was thrown.",
        "examples": [{ "coin_id": "{uuid}", "value": 3 }],
    });
    std::fs::write(folder.path().join("mint/coin_thrown.v1.json"), schema.to_string()).unwrap();
    let text = conform(handler, db_url, &["--dir", folder.path().to_str().unwrap()]).done();
    assert!(text.contains(" 0 failed, 0 not"), "{text}");
}

/// As a worker says that it is there.
async fn worker_runs(context: &Provisioned) {
    let pool = connect(&context.urls.worker, &ConnectOptions::default()).await.unwrap();
    let insert = "INSERT INTO mq_instances (id, name, roles, ttl, expires_at)
                  VALUES (gen_random_uuid(), 'w', '{outbox}', '1 hour', clock_timestamp() + interval '1 hour')";
    sqlx::query(insert).execute(&pool).await.unwrap();
}

#[tokio::test]
async fn a_database_with_a_worker_is_refused_unless_it_is_meant() {
    let context = context().await;
    worker_runs(&context).await;
    let closed = format!("http://127.0.0.1:{}/handle", free_port().unwrap());
    let event = ["--event", EVENT, "--payload", PAYLOAD];
    let refused = conform(&closed, &context.urls.worker, &event);
    refused.refused(64, "would publish what the handler emits to other contexts");
    refused.refused(64, "or say --beside-worker");
    let meant = conform(&closed, &context.urls.worker, &[&event[..], &["--beside-worker"]].concat());
    meant.refused(69, "a worker runs on this database: it publishes what the handler emits now");
    meant.refused(69, "no handler at 127.0.0.1:");
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let context = context().await;
    let closed = format!("http://127.0.0.1:{}/handle", free_port().unwrap());
    let event = ["--event", EVENT, "--payload", PAYLOAD];
    conform(&closed, &context.urls.worker, &event).refused(69, "no handler at 127.0.0.1:");
    conform("https://h/handle", &context.urls.worker, &event).refused(64, "is not a handler's URL");
    conform(&closed, &closed.replace("http", "postgres"), &event).refused(69, "cannot reach Postgres");
    let args = ["conform", "--handler", &closed, "--db-url", &context.urls.worker];
    let run = with_env(&args, &[("HANDLER_SECRET", "not-a-secret")]);
    run.refused(64, "the handler's secret is none");
    assert!(!run.err.contains("not-a-secret"), "{run:?}");
}
