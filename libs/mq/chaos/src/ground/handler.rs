use sea_mq_stack::{Launch, Process, free_port, project_root};
use sea_mq_testkit::World;

use super::victim::Victim;
use crate::{ChaosError, Options};

/// Signs calls and lets handlers know them: a worker whose clock is off is refused by it.
pub(super) const SECRET: &str = "whsec_Y2hhb3MtY2hhb3MtY2hhb3MtY2hhb3MtY2hhb3M=";
const MODULE: &str = "chaos_handlers";
const PROGRAM: &str = include_str!("../../handlers/chaos_handlers.py");
/// The handler of this context takes batches.
const BATCHES: (&str, u32) = ("vibespro", 50);

/// The FastAPI service that handles the events of one context.
pub(crate) struct Handler {
    context: &'static str,
    port: u16,
    launch: Launch,
    process: Victim<Box<Process>>,
}

impl Handler {
    pub(super) async fn start(
        world: &World,
        context: &'static str,
        options: &Options,
    ) -> Result<Self, ChaosError> {
        let folder = world.state().folder("handlers")?;
        let program = folder.join(format!("{MODULE}.py"));
        let written = std::fs::write(&program, PROGRAM);
        written.map_err(|source| ChaosError::File { doing: "write", path: program, source })?;
        let port = free_port()?;
        // What follows is for this product's own driver.
        let database = world.context(context)?.urls.app.split('?').next().unwrap_or_default().to_owned();
        let batch = if context == BATCHES.0 { BATCHES.1 } else { 0 };
        let launch = Launch::new(format!("handlers-{context}"), &options.python)
            .args(["-m", MODULE])
            .dir(folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONPATH", project_root().join("sdk/python/src").display().to_string())
            .env("LISTEN", format!("127.0.0.1:{port}"))
            .env("CONTEXT", context)
            .env("BATCH", batch.to_string())
            .env("HANDLER_SECRET", SECRET)
            .env("DB_URL", database);
        let mut handler = Self { context, port, launch, process: Victim::down() };
        handler.launch(world).await?;
        Ok(handler)
    }

    pub(crate) fn context(&self) -> &'static str {
        self.context
    }

    pub(crate) fn name(&self) -> String {
        format!("handlers-{}", self.context)
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/handle", self.port)
    }

    pub(crate) async fn launch(&mut self, world: &World) -> Result<(), ChaosError> {
        self.process.up(Box::new(self.launch.clone().start(world.state()).await?));
        Ok(())
    }

    pub(crate) async fn kill(&mut self) {
        self.process.kill().await;
    }

    pub(crate) async fn freeze(&mut self) -> Result<(), ChaosError> {
        self.process.freeze().await
    }

    pub(crate) async fn thaw(&mut self) -> Result<(), ChaosError> {
        self.process.thaw().await
    }

    pub(super) async fn ended_by_itself(&self) -> Option<String> {
        self.process.ended_by_itself().await
    }
}
