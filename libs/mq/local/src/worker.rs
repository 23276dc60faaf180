use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use sea_mq_event::ContextName;
use sea_mq_stack::{Launch, StateDir};
use tokio::time::Instant;

use crate::environment::base_url;
use crate::program::{command, run_once};
use crate::{Context, ContextDescription, Description, LocalError};

/// As `sea-mq topology apply` ends when a stream of somebody else is not there yet.
const PARTLY: i32 = 3;
/// As it ends when the broker does not answer: streams that were kept elect their leaders first.
const UNREACHABLE: i32 = 69;
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// What every instance of a context's worker is told.
#[derive(Clone, Debug)]
pub(crate) struct WorkerSettings {
    pub(crate) context: ContextName,
    variables: Vec<(String, String)>,
}

impl WorkerSettings {
    pub(crate) fn new(
        description: &Description,
        described: &ContextDescription,
        context: &Context,
        nats_servers: &[String],
        ports: &BTreeMap<String, u16>,
        state: &StateDir,
    ) -> Result<Self, LocalError> {
        let file = subscriptions(described, context, ports, state)?;
        let mut variables = vec![
            ("CONTEXT", context.name.to_string()),
            ("CONFIG_FILE", file.display().to_string()),
            ("DB_URL", context.worker_url.clone()),
            ("NATS_SERVERS", nats_servers.join(",")),
            ("NATS_USER", context.name.to_string()),
            ("NATS_PASSWORD", context.nats_password.clone()),
            ("STREAM_REPLICAS", description.nats_nodes.to_string()),
            ("NO_COLOR", "1".to_owned()),
        ];
        if let Some(contracts) = &description.contracts {
            variables.push(("CONTRACTS_DIR", contracts.display().to_string()));
        }
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value));
        // What the description says comes last, and so counts.
        let further = described.worker.iter().map(|(name, value)| (name.clone(), value.clone()));
        Ok(Self { context: context.name.clone(), variables: variables.chain(further).collect() })
    }

    /// One instance; its health and metrics on `port`.
    pub(crate) fn launch(&self, description: &Description, name: &str, port: u16) -> Launch {
        command(description, name, &["sea-mq-worker".to_owned()])
            .envs(self.variables.iter().cloned())
            .env("METRICS_PORT", port.to_string())
    }

    /// Makes the context's streams and durables as these settings declare them, by the same command
    /// as in production. False when a stream that it consumes is not there yet.
    pub(crate) async fn apply_topology(
        &self,
        description: &Description,
        provision_password: &str,
        state: &StateDir,
    ) -> Result<bool, LocalError> {
        let words = ["sea-mq", "topology", "apply"].map(str::to_owned);
        let launch = command(description, &format!("{}-topology", self.context), &words)
            .envs(self.variables.iter().cloned())
            .env("NATS_USER", "provision")
            .env("NATS_PASSWORD", provision_password);
        let step = format!("sea-mq topology apply for {}", self.context);
        let deadline = Instant::now() + ANSWER_LIMIT;
        loop {
            let may_wait =
                if Instant::now() < deadline { &[0, PARTLY, UNREACHABLE][..] } else { &[0, PARTLY] };
            match run_once(launch.clone(), &step, state, may_wait).await? {
                // It has itself waited for an answer.
                UNREACHABLE => {}
                code => return Ok(code != PARTLY),
            }
        }
    }
}

/// The settings file with a subscription for each context that is consumed; its path.
fn subscriptions(
    described: &ContextDescription,
    context: &Context,
    ports: &BTreeMap<String, u16>,
    state: &StateDir,
) -> Result<PathBuf, LocalError> {
    let mut text = String::new();
    if let Some(port) = described.handler.as_ref().and_then(|handler| ports.get(handler)) {
        for source in &described.consumes {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "[[subscription]]\nconsume_stream = \"{}\"", source.event_stream());
            let _ = writeln!(text, "handler_url = \"{}/handle\"\n", base_url(*port));
        }
    }
    let file = state.folder("workers")?.join(format!("{}.toml", context.name));
    std::fs::write(&file, text).map_err(LocalError::file("write", &file))?;
    Ok(file)
}
