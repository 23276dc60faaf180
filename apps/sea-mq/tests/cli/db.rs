use sea_mq_stack::{free_port, shared_postgres};
use tempfile::TempDir;

use crate::program::{file, sea_mq, unique_name, with_env};

/// A context's name, its password files and an admin.
struct Given {
    name: String,
    admin: String,
    _folder: TempDir,
    app: String,
    worker: String,
    migrator: String,
}

impl Given {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let [app, worker, migrator] =
            ["app", "worker", "migrator"].map(|role| file(&folder, role, &format!("{role}-pw\n")));
        let admin = shared_postgres().await.unwrap().admin_url();
        Self { name: unique_name(), admin, _folder: folder, app, worker, migrator }
    }

    fn provision(&self, more: &[&str]) -> crate::program::Run {
        self.provision_as(&self.admin, more)
    }

    fn provision_as(&self, admin: &str, more: &[&str]) -> crate::program::Run {
        let mut args = vec![
            "db",
            "provision",
            "--context",
            &self.name,
            "--admin-url",
            admin,
            "--app-password-file",
            &self.app,
            "--worker-password-file",
            &self.worker,
            "--migrator-password-file",
            &self.migrator,
        ];
        args.extend(more);
        sea_mq(&args)
    }

    /// The URL of a role of the context.
    fn url(&self, role: &str) -> String {
        let host = self.host();
        format!("postgres://{0}_{role}:{role}-pw@{host}/{0}_db", self.name)
    }

    fn host(&self) -> &str {
        let (_, server) = self.admin.split_once('@').unwrap();
        server.split_once('/').unwrap().0
    }
}

#[tokio::test]
async fn provision_migrate_status() {
    let given = Given::new().await;
    let made = given.provision(&["--json"]).json();
    assert_eq!((made["created"].as_bool(), made["migrations"]["before"].as_u64()), (Some(true), Some(0)));
    let again = given.provision(&["--json"]).json();
    assert_eq!(
        (again["created"].as_bool(), again["migrations"]["applied"].as_array().map(Vec::len)),
        (Some(false), Some(0))
    );
    let text = given.provision(&[]).done();
    assert!(text.contains("was there") && !text.contains("-pw"), "{text}");

    let migrated =
        sea_mq(&["db", "migrate", "--context", &given.name, "--url", &given.url("migrator"), "--json"])
            .json();
    assert_eq!(migrated["applied"], serde_json::json!([]));
    for role in ["app", "worker", "migrator"] {
        let status =
            sea_mq(&["db", "status", "--context", &given.name, "--url", &given.url(role), "--json"]).json();
        assert_eq!(status["current"], true, "{role}");
    }
    // Names and passwords may come from the environment, where no process list shows them.
    let url = given.url("worker");
    let text = with_env(&["db", "status", "--context", &given.name], &[("DB_URL", &url)]).done();
    assert!(text.contains("current") && !text.contains("-pw"), "{text}");
}

#[tokio::test]
async fn dry_run_changes_nothing() {
    let given = Given::new().await;
    let sql = given.provision(&["--dry-run"]).done();
    assert!(sql.contains("CREATE DATABASE") && sql.contains("'***'") && !sql.contains("-pw"), "{sql}");
    let statements = given.provision(&["--dry-run", "--json"]).json();
    assert!(statements["statements"].as_array().unwrap().len() > 10);
    let status = sea_mq(&["db", "status", "--context", &given.name, "--url", &given.url("app")]);
    // Neither role nor database is there.
    status.refused(77, "refuses the log-in");
}

#[tokio::test]
async fn connections_fail_with_a_sentence_and_their_code() {
    let given = Given::new().await;
    given.provision(&[]).done();
    let closed = free_port().unwrap();
    let host = given.host();
    let worker = format!("{}_worker", given.name);
    for (url, code, said) in [
        (
            format!("postgres://u:s3cret@127.0.0.1:{closed}/d"),
            69,
            format!("cannot reach Postgres at u@127.0.0.1:{closed}/d"),
        ),
        (format!("postgres://{worker}:s3cret@{host}/{}_db", given.name), 77, "refuses the log-in".to_owned()),
        (format!("postgres://{worker}:worker-pw@{host}/nowhere"), 69, "no database `nowhere`".to_owned()),
        (format!("postgres://{worker}:worker-pw@{host}/postgres"), 77, "not permitted to connect".to_owned()),
        ("mysql://u:s3cret@h/d".to_owned(), 64, "postgres://".to_owned()),
        ("postgres://u:s3cret@h:port/d".to_owned(), 64, "unusable".to_owned()),
    ] {
        let run = sea_mq(&["db", "status", "--context", &given.name, "--url", &url]);
        run.refused(code, &said);
        assert!(!run.err.contains("s3cret") && !run.err.contains("-pw"), "{run:?}");
        given.provision_as(&url, &[]).refused(if url.contains("nowhere") { 69 } else { code }, "");
    }
}

#[tokio::test]
async fn whoever_may_not_is_told_so() {
    let given = Given::new().await;
    given.provision(&[]).done();
    let other = Given::new().await;
    // The migrator gets into its own database and may create nothing.
    other.provision_as(&given.url("migrator"), &[]).refused(77, "not permitted to provision");
    sea_mq(&["db", "migrate", "--context", &given.name, "--url", &given.url("app")]).refused(77, "act as");
    sea_mq(&["db", "migrate", "--context", &other.name, "--url", &given.url("migrator")])
        .refused(1, "belongs to context");
    sea_mq(&["db", "status", "--context", &other.name, "--url", &given.url("app")])
        .refused(1, "belongs to context");
}

#[tokio::test]
async fn bad_files_and_values_are_configuration() {
    let mut given = Given::new().await;
    given.provision(&["--max-payload", "3"]).refused(64, "at least 1024");
    let folder = TempDir::new().unwrap();
    given.app = file(&folder, "empty", "\n");
    given.provision(&[]).refused(64, "it is empty");
    given.app = "/nonexistent/app".to_owned();
    given.provision(&[]).refused(64, "password file /nonexistent/app cannot be read");
}
