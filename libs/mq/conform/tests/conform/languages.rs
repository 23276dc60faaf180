//! The SDKs of this repository, each as a service of its own: every rule is kept.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sea_mq_conform::{IDLE, Report, Settings, Verdict};
use sea_mq_stack::{Launch, Process, StateDir, free_port, project_root};

use crate::context::{Context, SECRET};

const SOON: Duration = Duration::from_secs(60);
/// Each event in a transaction of its own, and all of a batch in one.
const TRANSACTIONS: [&str; 2] = ["each", "together"];

/// The same service under both kinds of transactions.
async fn keeps_every_rule(launch: impl Fn() -> Launch, listens: &str) {
    for transaction in TRANSACTIONS {
        let (context, state) = (Context::new().await, StateDir::temporary().unwrap());
        let address = format!("127.0.0.1:{}", free_port().unwrap());
        let process = started(launch(), &context, &state, &address, transaction).await;
        process.wait_for_line(listens, SOON).await.unwrap();
        let settings = context.settings(&format!("http://{address}/handle"), Some(SECRET));
        let report = context.judge(Settings { idle: IDLE, ..settings }).await;
        passes_all(&report, &format!("{transaction}: {}", process.last_lines()));
    }
}

pub fn passes_all(report: &Report, about: &str) {
    let all = report.findings.iter().all(|finding| finding.verdict == Verdict::Passed);
    assert!(all, "{}\n{about}", report.to_text());
}

async fn started(
    launch: Launch,
    context: &Context,
    state: &StateDir,
    address: &str,
    transaction: &str,
) -> Process {
    // What follows is for this product's own driver.
    let database = context.provisioned.urls.app.split('?').next().unwrap_or_default();
    let launch = launch.env("DB_URL", database).env("LISTEN", address).env("HANDLER_SECRET", SECRET);
    let kept = format!("{}.event.coin_kept.v1", context.name);
    launch.env("KEPT", kept).env("TRANSACTION", transaction).start(state).await.unwrap()
}

fn here(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conform").join(file)
}

#[tokio::test]
async fn python_keeps_every_rule() {
    let launch = || {
        Launch::new("coins", project_root().join(".venv/bin/python3"))
            .args(["-m", "coins"])
            .dir(here(""))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONPATH", project_root().join("sdk/python/src").display().to_string())
    };
    keeps_every_rule(launch, "Uvicorn running on").await;
}

#[tokio::test]
async fn typescript_keeps_every_rule() {
    let folder = tempfile::TempDir::new().unwrap();
    build_typescript(folder.path());
    let launch = || Launch::new("coins", "node").args(["coins.mjs"]).dir(folder.path());
    keeps_every_rule(launch, "listening").await;
}

/// The SDK as it is published, beside a service that uses it.
fn build_typescript(folder: &Path) {
    let sdk = project_root().join("sdk/typescript");
    let compiler = sdk.join("node_modules/.bin/tsc");
    assert!(
        compiler.exists(),
        "{} is not there: run `make sdk/typescript/node_modules/.ready`",
        compiler.display()
    );
    let mut build = Command::new(compiler);
    build.args(["-p", "tsconfig.dist.json", "--outDir"]).arg(folder.join("dist")).current_dir(&sdk);
    let built = build.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stdout));
    std::os::unix::fs::symlink(sdk.join("node_modules"), folder.join("node_modules")).unwrap();
    std::fs::copy(here("coins.mjs"), folder.join("coins.mjs")).unwrap();
    std::fs::write(folder.join("package.json"), r#"{"type": "module"}"#).unwrap();
}
