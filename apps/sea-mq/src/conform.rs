//! `sea-mq conform`: whether a handler service keeps the rules of the handler contract.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use sea_mq_conform::{IDLE, Invalid, PATIENCE, Secret, Settings, Template, has_worker, offered_events};
use sea_mq_contracts::{Contract, read_folder};
use sea_mq_database::{ConnectOptions, connect};

use crate::failure::Failure;
use crate::output::{Output, complain};

/// The handler does what it does: use a database that is made for tests. One on which a worker runs is
/// refused.
#[derive(Debug, Args)]
pub(crate) struct ConformArgs {
    /// The running handler, as a worker's HANDLER_URL says it.
    #[arg(long, value_name = "URL", env = "HANDLER_URL")]
    handler: String,
    /// The database of the handler's context as `NAME_worker`.
    #[arg(long, value_name = "URL", env = "DB_URL", hide_env_values = true)]
    db_url: String,
    /// Subject of an event that the handler reacts to, best one that makes it emit an event; by default
    /// the first that it offers and that has an example in its contract.
    #[arg(long, value_name = "SUBJECT")]
    event: Option<String>,
    /// Its payload, or the file of it; `{uuid}` in its texts becomes a new UUID in each event. By default
    /// the example of its contract.
    #[arg(long, value_name = "JSON|FILE")]
    payload: Option<String>,
    /// A payload that the handler refuses, with `{marker}` in a text; `none` when it takes everything. By
    /// default the payload with every field of another type.
    #[arg(long, value_name = "JSON|FILE|none")]
    invalid_payload: Option<String>,
    /// Whose attempts they are: a name that no worker consumes.
    #[arg(long, value_name = "NAME", default_value = "conform__from_conform")]
    consumer: String,
    /// File with the handler's secret; or its text in HANDLER_SECRET.
    #[arg(long, value_name = "FILE", env = "HANDLER_SECRET_FILE")]
    secret_file: Option<PathBuf>,
    /// The handler does not join the inbox and is not meant to: leave those rules out.
    #[arg(long)]
    at_least_once: bool,
    /// Also where a worker runs: the made-up events take effect, and what the handler emits is published to
    /// other contexts.
    #[arg(long)]
    beside_worker: bool,
    /// Seconds that the handler has for a whole answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout_secs: u64,
    /// The folder with <context>/<event>.v<version>.json.
    #[arg(long = "dir", value_name = "FOLDER", env = "CONTRACTS_DIR", default_value = "contracts")]
    contracts: PathBuf,
}

pub(crate) async fn run(args: ConformArgs, output: &Output) -> Result<(), Failure> {
    let secret = args.secret()?;
    let options = ConnectOptions { max_connections: 5, ..ConnectOptions::default() };
    let pool = connect(&args.db_url, &options).await?;
    if has_worker(&pool).await? {
        if !args.beside_worker {
            return Err(Failure::configuration(BESIDE_WORKER));
        }
        complain("a worker runs on this database: it publishes what the handler emits now");
    }
    let settings = args.settings(secret).await?;
    let report = Box::pin(sea_mq_conform::run(settings, pool)).await?;
    output.print(&report.to_text(), &report.to_json())?;
    if report.failed().is_empty() { Ok(()) } else { Err(Failure::found()) }
}

const BESIDE_WORKER: &str = "a worker runs on this database: the made-up events would take effect there, and it \
                             would publish what the handler emits to other contexts; use a database that is made \
                             for tests, stop the worker, or say --beside-worker";

impl ConformArgs {
    fn secret(&self) -> Result<Option<Secret>, Failure> {
        let said = std::env::var("HANDLER_SECRET").ok().filter(|text| !text.trim().is_empty());
        let text = match (said, &self.secret_file) {
            (Some(_), Some(_)) => {
                let why = "HANDLER_SECRET and a secret's file are both given: choose one";
                return Err(Failure::configuration(why));
            }
            (said, None) => said,
            (None, Some(file)) => Some(read("the secret's file", file)?),
        };
        Ok(text.map(|text| Secret::parse(&text)).transpose()?)
    }

    async fn settings(self, secret: Option<Secret>) -> Result<Settings, Failure> {
        let timeout = Duration::from_secs(self.timeout_secs.max(1));
        let (subject, payload) = match (&self.event, &self.payload) {
            (Some(event), Some(payload)) => (event.clone(), given("payload", payload)?),
            (event, None) => self.example(event.as_deref(), secret.as_ref(), timeout).await?,
            (None, Some(_)) => {
                return Err(Failure::configuration("--payload needs --event: say of which event it is"));
            }
        };
        let invalid = match self.invalid_payload.as_deref() {
            None => Invalid::Spoilt,
            Some("none") => Invalid::None,
            Some(text) => Invalid::Given(given("invalid payload", text)?),
        };
        Ok(Settings {
            handler_url: self.handler,
            subject,
            payload,
            invalid,
            consumer: self.consumer,
            secret,
            at_least_once: self.at_least_once,
            timeout,
            idle: IDLE,
            patience: PATIENCE,
        })
    }

    /// An event with the example of its contract.
    async fn example(
        &self,
        event: Option<&str>,
        secret: Option<&Secret>,
        timeout: Duration,
    ) -> Result<(String, Template), Failure> {
        let offered = offered_events(&self.handler, secret, timeout).await?;
        let contracts = read_folder(&self.contracts).map(|folder| folder.contracts).unwrap_or_default();
        let wanted = |contract: &&Contract| match event {
            Some(event) => contract.name().subject() == event,
            None => offered.iter().any(|(name, version)| {
                contract.name().event() == name && i64::from(contract.name().version()) == *version
            }),
        };
        let found = contracts.iter().filter(wanted).find_map(|contract| {
            Some((contract.name().subject(), contract.schema().get("examples")?.get(0)?.to_string()))
        });
        let Some((subject, payload)) = found else { return Err(no_payload(event, &offered)) };
        Ok((subject, Template::parse("contract's example", &payload)?))
    }
}

fn no_payload(event: Option<&str>, offered: &[(String, i64)]) -> Failure {
    if let Some(event) = event {
        return Failure::configuration(format!(
            "the contract of {event} has no example: say --payload, as JSON or as a file"
        ));
    }
    let listed: Vec<String> = offered.iter().map(|(name, version)| format!("{name} v{version}")).collect();
    let listed = if listed.is_empty() { "nothing".to_owned() } else { listed.join(", ") };
    Failure::configuration(format!(
        "say which event the handler is to be called with: --event CONTEXT.event.NAME.v1 --payload JSON; its \
         capabilities list {listed}, and no contract of these has an example"
    ))
}

/// JSON as it is, or in a file.
fn given(what: &'static str, text: &str) -> Result<Template, Failure> {
    let is_json = text.trim_start().starts_with(['{', '[', '"']);
    let text = if is_json { text.to_owned() } else { read(what, Path::new(text))? };
    Ok(Template::parse(what, &text)?)
}

fn read(what: &str, file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure::configuration(format!("{what} {} cannot be read: {error}", file.display())))
}
