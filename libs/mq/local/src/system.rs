use std::collections::BTreeMap;
use std::time::Duration;

use sea_mq_event::ContextName;
use sea_mq_stack::StateDir;
use sea_mq_stream::Broker;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::environment::{base_url, variable};
use crate::flow::{Look, look};
use crate::notice::Notices;
use crate::plans::{check, ports, programs, workers};
use crate::program::{command, run_once};
use crate::secrets::Secrets;
use crate::servers::Servers;
use crate::supervise::Kept;
use crate::worker::WorkerSettings;
use crate::{Context, Description, Flow, LocalError, http};

const POLL: Duration = Duration::from_millis(50);

/// How a system is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Take the ports that the description wishes for where they are free; otherwise any.
    pub wished_ports: bool,
    /// Ask the programs by `RELOAD=1` to start anew when their code changes.
    pub reload: bool,
}

/// A running system. Dropping it kills everything; [`System::stop`] ends it in order.
#[derive(Debug)]
pub struct System {
    // Before the servers: programs end first.
    programs: Vec<Kept>,
    workers: Vec<(ContextName, Kept)>,
    contexts: Vec<Context>,
    looks: Mutex<BTreeMap<ContextName, Look>>,
    servers: Servers,
    secrets: Secrets,
}

impl System {
    /// Brings everything up: servers, databases, the contexts' own tables, streams, programs,
    /// workers. Returns when all are started; [`System::wait_ready`] waits until they work.
    ///
    /// # Errors
    /// What could not be started or made, with the end of its log.
    pub async fn start(
        description: &Description,
        state: &StateDir,
        options: Options,
        notices: &Notices,
    ) -> Result<Self, LocalError> {
        check(description, state)?;
        let secrets_file = state.path().join("secrets.json");
        let mut secrets = Secrets::read(&secrets_file)?;
        secrets.complete(&secrets_file, description.contexts.keys())?;
        let nodes = description.nats_nodes;
        notices.step(format!("starting Postgres and {nodes} NATS node{}", if nodes == 1 { "" } else { "s" }));
        let mut servers = Servers::start(state, description, &secrets).await?;
        let contexts = build(description, &servers, &secrets, state, notices).await?;
        let ports = ports(description, options, notices)?;
        let nats = servers.nats_urls.clone();
        let mut settings = Vec::new();
        for (context, described) in contexts.iter().zip(description.contexts.values()) {
            settings.push(WorkerSettings::new(description, described, context, &nats, &ports, state)?);
        }
        notices.step("making streams and durable consumers");
        apply_topologies(description, &settings, secrets.get("provision", "nats"), state).await?;
        notices.step("starting programs and workers");
        servers.keep(notices);
        let keep = |plan| Kept::keep(plan, state, notices.clone());
        let programs = programs(description, &contexts, &ports, options).map(keep).collect();
        let workers = workers(description, &settings)?.into_iter().map(|(c, plan)| (c, keep(plan))).collect();
        Ok(Self { programs, workers, contexts, looks: Mutex::default(), servers, secrets })
    }

    /// The contexts, by name.
    #[must_use]
    pub fn contexts(&self) -> &[Context] {
        &self.contexts
    }

    /// The context of this name.
    #[must_use]
    pub fn context(&self, name: &str) -> Option<&Context> {
        self.contexts.iter().find(|context| context.name.as_str() == name)
    }

    /// Each program with its base URL, workers last.
    #[must_use]
    pub fn urls(&self) -> Vec<(String, String)> {
        self.all().map(|kept| (kept.name.clone(), base_url(kept.port))).collect()
    }

    /// The base URL of a program.
    ///
    /// # Errors
    /// [`LocalError::UnknownProgram`].
    pub fn url(&self, name: &str) -> Result<String, LocalError> {
        self.kept(name).map(|kept| base_url(kept.port))
    }

    /// Where NATS clients connect.
    #[must_use]
    pub fn nats_urls(&self) -> Vec<String> {
        self.servers.nats_urls.clone()
    }

    /// A connection to NATS that may look at everything.
    ///
    /// # Errors
    /// [`LocalError::Stream`].
    pub async fn operator(&self) -> Result<Broker, LocalError> {
        self.servers.operator(&self.secrets).await
    }

    /// The password of NATS user `operator`, who may do everything.
    #[must_use]
    pub fn operator_password(&self) -> &str {
        self.secrets.get("operator", "nats")
    }

    /// What a shell needs to talk to the system, as `NAME=value` lines.
    #[must_use]
    pub fn shell_variables(&self) -> String {
        let mut lines: Vec<(String, String)> =
            self.programs.iter().map(|kept| (variable(&kept.name), base_url(kept.port))).collect();
        for context in &self.contexts {
            let name = variable(context.name.as_str());
            let workers = self.workers.iter().filter(|(of, _)| *of == context.name);
            let workers: Vec<String> = workers.map(|(_, kept)| base_url(kept.port)).collect();
            lines.extend([
                (format!("{name}_DB_URL"), context.app_url.clone()),
                (format!("{name}_WORKER_DB_URL"), context.worker_url.clone()),
                (format!("{name}_MIGRATOR_URL"), context.migrator_url.clone()),
                (format!("{name}_NATS_PASSWORD"), context.nats_password.clone()),
                (format!("{name}_WORKERS"), workers.join(",")),
            ]);
        }
        lines.push(("SEA_MQ_ADMIN_URL".to_owned(), self.servers.admin_url.clone()));
        lines.push(("NATS_SERVERS".to_owned(), self.nats_urls().join(",")));
        for user in ["operator", "provision"] {
            lines.push((
                format!("NATS_{}_PASSWORD", variable(user)),
                self.secrets.get(user, "nats").to_owned(),
            ));
        }
        lines.iter().map(|(name, value)| format!("{name}='{value}'\n")).collect()
    }

    /// The programs that are not ready, each with what it says.
    pub async fn not_ready(&self) -> Vec<(String, String)> {
        let asked: Vec<_> =
            self.all().map(|kept| (&kept.name, tokio::spawn(http::not_ready(kept.port)))).collect();
        let mut waiting = Vec::new();
        for (name, answer) in asked {
            let why = answer.await.unwrap_or_else(|error| Some(error.to_string()));
            waiting.extend(why.map(|why| (name.clone(), why)));
        }
        waiting
    }

    /// Waits until every program says that it is ready.
    ///
    /// # Errors
    /// [`LocalError::NotReady`] names those that are not.
    pub async fn wait_ready(&self, limit: Duration) -> Result<(), LocalError> {
        let deadline = Instant::now() + limit;
        loop {
            let waiting = self.not_ready().await;
            if waiting.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let waiting: Vec<String> =
                    waiting.iter().map(|(name, why)| format!("{name}: {why}")).collect();
                return Err(LocalError::NotReady { limit, waiting: waiting.join("; ") });
            }
            sleep(POLL).await;
        }
    }

    /// What waits and flows in each context.
    pub async fn flow(&self) -> Vec<(ContextName, Flow)> {
        let mut looks = self.looks.lock().await;
        let mut flows = Vec::new();
        for context in &self.contexts {
            let ports: Vec<u16> = self
                .workers
                .iter()
                .filter(|(of, _)| *of == context.name)
                .map(|(_, kept)| kept.port)
                .collect();
            let (flow, now) = look(&ports, &context.observer, looks.get(&context.name)).await;
            looks.insert(context.name.clone(), now);
            flows.push((context.name.clone(), flow));
        }
        flows
    }

    /// Returns when the system cannot work any more: [`LocalError::ServerGone`].
    pub async fn broken(&self) -> LocalError {
        LocalError::ServerGone(self.servers.gone().await)
    }

    /// SIGKILL to a program, a worker or a server (`postgres`, `nats-1`); it is started again.
    ///
    /// # Errors
    /// [`LocalError::UnknownProgram`].
    pub async fn kill(&self, name: &str) -> Result<(), LocalError> {
        if self.servers.kill(name).await {
            return Ok(());
        }
        self.kept(name)?.kill().await;
        Ok(())
    }

    /// Ends everything in order: workers first, so that no call finds its handler gone, then
    /// programs, then servers.
    ///
    /// # Errors
    /// [`LocalError::Disorderly`] names what did not end by itself; everything is ended then too.
    pub async fn stop(mut self) -> Result<(), LocalError> {
        let mut problems = stop_all(self.workers.iter().map(|(_, kept)| kept)).await;
        problems.extend(stop_all(self.programs.iter()).await);
        for context in &self.contexts {
            context.observer.close().await;
        }
        self.servers.stop().await?;
        if problems.is_empty() { Ok(()) } else { Err(LocalError::Disorderly(problems.join("\n"))) }
    }

    fn all(&self) -> impl Iterator<Item = &Kept> {
        self.programs.iter().chain(self.workers.iter().map(|(_, kept)| kept))
    }

    fn kept(&self, name: &str) -> Result<&Kept, LocalError> {
        self.all().find(|kept| kept.name == name).ok_or_else(|| LocalError::UnknownProgram(name.to_owned()))
    }
}

/// All at once; what was not in order.
async fn stop_all(all: impl Iterator<Item = &Kept>) -> Vec<String> {
    let mut stopping = tokio::task::JoinSet::new();
    for kept in all {
        stopping.spawn(kept.stop());
    }
    stopping.join_all().await.into_iter().flatten().collect()
}

/// Every context's database, and the application's own tables in it.
async fn build(
    description: &Description,
    servers: &Servers,
    secrets: &Secrets,
    state: &StateDir,
    notices: &Notices,
) -> Result<Vec<Context>, LocalError> {
    let mut contexts = Vec::new();
    for (name, described) in &description.contexts {
        notices.step(format!("making the database of {name}"));
        let context = Context::build(&*servers.postgres().await, name, secrets).await?;
        if !described.migrate.is_empty() {
            let launch = command(description, &format!("{name}-migrate"), &described.migrate)
                .env("MIGRATOR_URL", &context.migrator_url)
                .env("NO_COLOR", "1");
            run_once(launch, &format!("the migration of {name}"), state, &[0]).await?;
        }
        contexts.push(context);
    }
    Ok(contexts)
}

/// Each may consume another's stream, which has to be there first: those that lack one are tried
/// once more when all have made theirs.
async fn apply_topologies(
    description: &Description,
    settings: &[WorkerSettings],
    provision_password: &str,
    state: &StateDir,
) -> Result<(), LocalError> {
    let mut lacking = Vec::new();
    for worker in settings {
        if !worker.apply_topology(description, provision_password, state).await? {
            lacking.push(worker);
        }
    }
    for worker in lacking {
        worker.apply_topology(description, provision_password, state).await?;
    }
    Ok(())
}
