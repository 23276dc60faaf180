use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sea_mq_stack::{Launch, Process, free_port, workspace_binary};

use super::World;
use super::wait::poll;
use crate::handler::TestHandler;
use crate::{TestkitError, http};

/// Numbers the workers of the process, for names of their own.
static STARTED: AtomicUsize = AtomicUsize::new(1);

/// How a worker is to be started.
pub struct WorkerLaunch<'a> {
    world: &'a World,
    context: String,
    name: Option<String>,
    program: String,
    handler: Option<String>,
    variables: Vec<(String, String)>,
}

/// A real worker process. It dies with this value and with the test.
#[derive(Debug)]
pub struct WorkerProcess {
    process: Process,
    port: u16,
}

impl World {
    /// A worker of `context`, publishing; with [`WorkerLaunch::handler`] it also consumes.
    #[must_use]
    pub fn worker(&self, context: &str) -> WorkerLaunch<'_> {
        WorkerLaunch {
            world: self,
            context: context.to_owned(),
            name: None,
            program: "sea-mq-worker".to_owned(),
            handler: None,
            variables: Vec::new(),
        }
    }
}

impl WorkerLaunch<'_> {
    /// Consumes the context's subscription, for this handler.
    #[must_use]
    pub fn handler(mut self, handler: &TestHandler) -> Self {
        self.handler = Some(handler.url());
        self
    }

    /// Consumes the context's subscription, for the handler service at this URL.
    #[must_use]
    pub fn handler_at(mut self, url: impl Into<String>) -> Self {
        self.handler = Some(url.into());
        self
    }

    /// Has this name, which its log file bears; a worker that is started again continues the log.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Consumes the context's subscription with the handlers of a program of the workspace.
    #[must_use]
    pub fn in_process(mut self, program: &str) -> Self {
        program.clone_into(&mut self.program);
        self.handler = Some("in-process".to_owned());
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.variables.push((name.to_owned(), value.to_string()));
        self
    }

    /// Starts it, without waiting until it is ready.
    ///
    /// # Errors
    /// The binary was not built, or could not be started.
    pub async fn launch(self) -> Result<WorkerProcess, TestkitError> {
        let context = self.world.context(&self.context)?;
        let port = free_port()?;
        let name = self.name.unwrap_or_else(|| {
            format!("worker-{}-{}", context.name, STARTED.fetch_add(1, Ordering::Relaxed))
        });
        let mut launch = Launch::new(name, workspace_binary(&self.program)?)
            .own_environment_only()
            .envs(self.world.base_environment(&self.context)?)
            .env("METRICS_PORT", port.to_string());
        if let Some(url) = self.handler {
            launch = launch.envs(self.world.consumer_environment(&self.context)?).env("HANDLER_URL", url);
        }
        let process = launch.envs(self.variables).start(&self.world.state).await?;
        self.world.remember_log(process.log().to_path_buf());
        Ok(WorkerProcess { process, port })
    }

    /// Starts it and waits until it says that it is ready.
    ///
    /// # Errors
    /// As [`WorkerLaunch::launch`], or it was not ready in time, or ended.
    pub async fn start(self) -> Result<WorkerProcess, TestkitError> {
        let worker = self.launch().await?;
        worker.wait_ready(Duration::from_secs(30)).await?;
        Ok(worker)
    }
}

impl WorkerProcess {
    /// Whether it says that it is ready.
    pub async fn is_ready(&self) -> bool {
        matches!(http::get(self.port, "/health/ready").await, Some((200, _)))
    }

    /// What it says about its readiness: status and JSON; `None` when it does not answer.
    pub async fn readiness(&self) -> Option<(u16, String)> {
        http::get(self.port, "/health/ready").await
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// It was not ready in time, or ended.
    pub async fn wait_ready(&self, limit: Duration) -> Result<(), TestkitError> {
        let done = poll(limit, async || Ok(!self.process.is_running() || self.is_ready().await)).await;
        if self.is_ready().await {
            return Ok(());
        }
        let said = self.readiness().await.map_or_else(|| "nothing".to_owned(), |(_, body)| body);
        Err(TestkitError::TimedOut {
            what: format!("{} is ready", self.process.name()),
            after: limit,
            state: format!("{done:?}; it says {said}\n{}", tail(&self.process.output())),
        })
    }

    /// One of its metrics, summed over labels; `None` when it does not answer or has none of the name.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = http::get(self.port, "/metrics").await?;
        http::metric(&text, name)
    }

    /// All of its metrics, as it tells them.
    pub async fn metrics(&self) -> String {
        http::get(self.port, "/metrics").await.map(|(_, text)| text).unwrap_or_default()
    }
}

impl Deref for WorkerProcess {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for WorkerProcess {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// The last lines of a log.
pub(super) fn tail(log: &str) -> String {
    const LINES: usize = 25;
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
