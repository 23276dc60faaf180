//! The program as it is called: what it prints, how it exits.
#![allow(clippy::unwrap_used)]

use std::process::Output;

use sea_mq_database::{ContextUrls, Password, ProvisionRequest, provision};
use sea_mq_event::ContextName;
use sea_mq_stack::{free_port, shared_postgres};
use serde_json::Value;
use tokio::process::Command;

struct Program {
    urls: ContextUrls,
}

impl Program {
    async fn provisioned() -> Self {
        let password = || Password::new("test", "secret").unwrap();
        let mut request =
            ProvisionRequest::new(ContextName::parse("vibespro").unwrap(), password(), password());
        request.migrator_password = Some(password());
        let server = shared_postgres().await.unwrap().admin_url();
        Self { urls: provision(&server, &request).await.unwrap().urls }
    }

    async fn run(&self, args: &[&str]) -> Output {
        run_with(&self.urls.app, self.urls.migrator.as_deref().unwrap(), args).await
    }

    async fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat()).await;
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Exit code and message of a command that does not succeed.
    async fn refused(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args).await;
        assert!(output.stdout.is_empty());
        (output.status.code().unwrap(), stderr(&output))
    }
}

async fn run_with(db_url: &str, migrator_url: &str, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vibespro"))
        .args(args)
        .env("DB_URL", db_url)
        .env("MIGRATOR_URL", migrator_url)
        .output()
        .await
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_vibe_from_the_first_to_the_last_command() {
    let vibespro = Program::provisioned().await;
    let (code, message) = vibespro.refused(&["user", "add", "ada", "--name", "Ada"]).await;
    assert_eq!(code, 69);
    assert!(message.contains("vibespro migrate"), "{message}");

    assert_eq!(vibespro.json(&["migrate"]).await, serde_json::json!({"applied": [1], "before": 0}));
    assert_eq!(vibespro.json(&["migrate"]).await, serde_json::json!({"applied": [], "before": 1}));
    let ada = vibespro.json(&["user", "add", "ada", "--name", "Ada"]).await;
    assert_eq!(ada, serde_json::json!({"user_id": "ada", "name": "Ada"}));

    let create = ["vibe", "create", "--user", "ada", "--title", "Calm", "--idempotency-key", "k"];
    let created = vibespro.json(&create).await;
    assert_eq!(vibespro.json(&create).await, created);
    let id = created["vibe_id"].as_str().unwrap();
    let updated = vibespro.json(&["vibe", "update", id, "--expected-revision", "1", "--title", "Wild"]).await;
    assert_eq!((&updated["title"], &updated["revision"]), (&"Wild".into(), &2.into()));
    let scored = vibespro.json(&["vibe", "score", id, "80", "--expected-revision", "2"]).await;
    assert_eq!((&scored["score"], &scored["revision"]), (&80.into(), &3.into()));
    assert_eq!(vibespro.json(&["vibe", "show", id]).await, scored);
    let list = vibespro.json(&["vibe", "list", "--user", "ada"]).await;
    assert_eq!(list, serde_json::json!({"items": [scored], "next_cursor": null}));
    let text = vibespro.run(&["vibe", "list", "--user", "ada"]).await;
    assert_eq!(
        String::from_utf8(text.stdout).unwrap(),
        format!("{id}  revision 3  score 80  undecided  Wild\n")
    );

    for (args, says) in [
        (&["vibe", "score", id, "80", "--expected-revision", "2"][..], "is at revision 3, not 2"),
        (&["vibe", "score", id, "-1", "--expected-revision", "3"], "score: is -1; use 0 to 100"),
        (&["vibe", "create", "--user", "eve", "--title", "x"], "no user `eve`"),
        (&["vibe", "create", "--user", "ada", "--title", " "], "title: is empty"),
        (&["vibe", "list", "--user", "eve"], "no user `eve`"),
    ] {
        let (code, message) = vibespro.refused(args).await;
        assert_eq!(code, 1, "{args:?}");
        assert!(message.contains(says), "{message}");
    }
}

#[tokio::test]
async fn exit_codes_tell_usage_configuration_and_outage_apart() {
    let port = free_port().unwrap();
    let nobody = format!("postgres://a:secret@127.0.0.1:{port}/b");
    let list = &["vibe", "list", "--user", "ada"][..];
    for (url, args, code) in [
        (nobody.as_str(), &["vibe", "update", "no-uuid"][..], 2),
        ("mysql://a:secret@b", list, 64),
        (nobody.as_str(), list, 69),
        (nobody.as_str(), &["migrate"], 69),
    ] {
        let output = run_with(url, url, args).await;
        assert_eq!(output.status.code(), Some(code), "{args:?} {}", stderr(&output));
        assert!(!stderr(&output).contains("secret"), "{}", stderr(&output));
    }
}
