use std::time::Duration;

use anyhow::{Context as _, bail};
use sea_mq_stack::{Launch, Process, StateDir, free_port, project_root, workspace_binary};

use crate::context::Context;
use crate::probe::{Ready, readiness};
use crate::servers::MAX_DELIVER;

const READY_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// A program with a health port: a worker, or a handler.
#[derive(Debug)]
pub(crate) struct Program {
    process: Process,
    port: u16,
}

impl Program {
    /// The context's FastAPI handler, `demo/handlers/{context}_handler.py`.
    pub(crate) async fn handler(state: &StateDir, context: &Context) -> anyhow::Result<Self> {
        let python = project_root().join(".venv/bin/python3");
        if !python.is_file() {
            bail!("{} is missing: run `make handlers-venv`", python.display());
        }
        let port = free_port()?;
        let module = format!("{}_handler:app", context.name);
        let process = Launch::new(format!("{}-handler", context.name), python)
            .args([
                "-m",
                "uvicorn",
                &module,
                "--host",
                "127.0.0.1",
                "--no-access-log",
                "--log-level",
                "warning",
            ])
            .args(["--port".to_owned(), port.to_string()])
            .dir(project_root().join("demo/handlers"))
            .env("DB_URL", &context.app_url)
            .env("PYTHONUNBUFFERED", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .start(state)
            .await?;
        Ok(Self { process, port })
    }

    /// A worker of `context`: publishes its outbox, and hands the events of `source` to `handler`.
    pub(crate) async fn worker(
        state: &StateDir,
        name: &str,
        context: &Context,
        source: &Context,
        nats_servers: &[String],
        handler: &Program,
    ) -> anyhow::Result<Self> {
        let port = free_port()?;
        let process = Launch::new(name, workspace_binary("sea-mq-worker")?)
            .env("CONTEXT", context.name.as_str())
            .env("DB_URL", &context.worker_url)
            .env("NATS_SERVERS", nats_servers.join(","))
            .env("NATS_USER", context.name.as_str())
            .env("NATS_PASSWORD", &context.nats_password)
            .env("CONSUME_STREAM", source.name.event_stream())
            .env("HANDLER_URL", format!("http://127.0.0.1:{}/handle", handler.port))
            .env("METRICS_PORT", port.to_string())
            .env("MAX_DELIVER", MAX_DELIVER.to_string())
            .env("RETRY_BASE_MS", "200")
            .env("RETRY_CAP_SECS", "2")
            .env("NO_COLOR", "1")
            .start(state)
            .await?;
        Ok(Self { process, port })
    }

    /// Its name in this demo.
    pub(crate) fn name(&self) -> &str {
        self.process.name()
    }

    /// What it has written.
    pub(crate) fn output(&self) -> String {
        self.process.output()
    }

    /// Waits until it says that it is ready.
    pub(crate) async fn wait_ready(&self) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + READY_LIMIT;
        loop {
            let Ready::No(why) = readiness(self.port).await else { return Ok(()) };
            if !self.process.is_running() {
                bail!("{} ended before it was ready:\n{}", self.name(), self.last_lines());
            }
            if tokio::time::Instant::now() >= deadline {
                let limit = READY_LIMIT.as_secs();
                bail!("{} is not ready within {limit} s: {why}\n{}", self.name(), self.last_lines());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// SIGKILL.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// SIGTERM, and waits for its orderly end.
    pub(crate) async fn stop(&self) -> anyhow::Result<()> {
        if !self.process.is_running() {
            return Ok(());
        }
        self.process.terminate().await?;
        let status = self.process.wait_within(STOP_LIMIT).await?;
        // uvicorn ends with the signal itself once it has shut down.
        let ended_by_term = std::os::unix::process::ExitStatusExt::signal(&status) == Some(15);
        if status.success() || ended_by_term {
            return Ok(());
        }
        bail!("{} did not stop in order ({status}):\n{}", self.name(), self.last_lines());
    }

    fn last_lines(&self) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

/// All programs of the demo.
#[derive(Debug)]
pub(crate) struct Programs {
    /// One handler for each context.
    pub(crate) handlers: [Program; 2],
    /// One worker of vibespro, then two of sea.
    pub(crate) workers: [Program; 3],
}

impl Programs {
    /// Starts the handlers, then the workers, and waits until all are ready.
    pub(crate) async fn start(
        state: &StateDir,
        vibespro: &Context,
        sea: &Context,
        nats_servers: &[String],
    ) -> anyhow::Result<Self> {
        let handlers = [Program::handler(state, vibespro).await?, Program::handler(state, sea).await?];
        let [vibespro_handler, sea_handler] = &handlers;
        let worker = |name, context, source, handler| {
            Program::worker(state, name, context, source, nats_servers, handler)
        };
        let workers = [
            worker("vibespro-worker", vibespro, sea, vibespro_handler).await?,
            worker("sea-worker-1", sea, vibespro, sea_handler).await?,
            worker("sea-worker-2", sea, vibespro, sea_handler).await?,
        ];
        let programs = Self { handlers, workers };
        for program in programs.all() {
            program.wait_ready().await.with_context(|| format!("{} did not start", program.name()))?;
        }
        Ok(programs)
    }

    /// Ends workers first, so that no call finds its handler gone.
    pub(crate) async fn stop(&self) -> anyhow::Result<()> {
        for program in self.workers.iter().chain(&self.handlers) {
            program.stop().await?;
        }
        Ok(())
    }

    fn all(&self) -> impl Iterator<Item = &Program> {
        self.handlers.iter().chain(&self.workers)
    }
}
