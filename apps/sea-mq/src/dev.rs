//! `sea-mq dev`: a whole system on this machine, from `dev.toml`.

mod screen;
mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use sea_mq_local::{Description, Notice, Notices, Options, System};
use sea_mq_stack::StateDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::dev::screen::Screen;
use crate::failure::Failure;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A program that is not ready after so long is named, and again after as long.
const SAY_WAITING_EVERY: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// What the system consists of.
    #[arg(long, value_name = "FILE", default_value = "dev.toml")]
    file: PathBuf,
    /// Where databases, streams and logs are kept [default: .state/dev beside the file].
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// Forget what was kept and start over.
    #[arg(long)]
    fresh: bool,
    /// Take any free ports instead of those that the file wishes for.
    #[arg(long)]
    any_ports: bool,
}

pub(crate) async fn run(args: DevArgs) -> Result<(), Failure> {
    let description = Description::read(&args.file).map_err(Failure::configuration)?;
    let folder = args.state.clone().unwrap_or_else(|| description.folder.join(".state/dev"));
    let state = StateDir::kept(&folder).map_err(Failure::failed)?;
    begin(&state, args.fresh)?;
    let screen = Screen::new();
    let (sender, mut notices) = unbounded_channel();
    let mut stop = Stop::listen()?;
    let options = Options { wished_ports: !args.any_ports, reload: true };
    let notes = Notices::to(sender);
    let starting = System::start(&description, &state, options, &notes);
    let Some(system) = start(starting, &screen, &mut notices, &mut stop).await? else { return Ok(()) };
    let variables = state.path().join("env");
    write_private(&variables, &system.shell_variables())?;
    watch(&system, &screen, &mut notices, &mut stop, &variables).await;
    end(system, &screen, &mut notices, &mut stop).await
}

/// Logs are those of this run; with `fresh` nothing of an earlier one is left.
fn begin(state: &StateDir, fresh: bool) -> Result<(), Failure> {
    if fresh {
        return state.clear().map_err(Failure::failed);
    }
    let logs = state.folder("logs").map_err(Failure::failed)?;
    std::fs::remove_dir_all(&logs)
        .map_err(|error| Failure::failed(format!("cannot remove {}: {error}", logs.display())))?;
    state.folder("logs").map(drop).map_err(Failure::failed)
}

/// `None` when it was stopped before everything was there; dropping the start ends what it began.
async fn start(
    starting: impl Future<Output = Result<System, sea_mq_local::LocalError>>,
    screen: &Screen,
    notices: &mut UnboundedReceiver<Notice>,
    stop: &mut Stop,
) -> Result<Option<System>, Failure> {
    let mut starting = std::pin::pin!(starting);
    loop {
        tokio::select! {
            started = &mut starting => return started.map(Some).map_err(Failure::failed),
            Some(notice) = notices.recv() => screen.tell(&notice),
            () = stop.asked() => {
                screen.say("stopped before everything was there");
                return Ok(None);
            }
        }
    }
}

/// Shows what happens until it is asked to stop.
async fn watch(
    system: &System,
    screen: &Screen,
    notices: &mut UnboundedReceiver<Notice>,
    stop: &mut Stop,
    variables: &Path,
) {
    let mut looking = interval(LOOK_EVERY);
    looking.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut announced, mut said) = (false, Instant::now());
    loop {
        tokio::select! {
            () = stop.asked() => return,
            Some(notice) = notices.recv() => screen.tell(&notice),
            _ = looking.tick() => {
                if !announced {
                    let waiting = system.not_ready().await;
                    announced = waiting.is_empty();
                    if announced {
                        announce(system, screen, variables);
                    } else if said.elapsed() >= SAY_WAITING_EVERY {
                        said = Instant::now();
                        waiting.iter().for_each(|(name, why)| screen.say(&format!("waiting for {name}: {why}")));
                    }
                }
                screen.show(&table::lines(&system.flow().await));
            }
        }
    }
}

fn announce(system: &System, screen: &Screen, variables: &Path) {
    for (name, url) in system.urls() {
        screen.plain(&format!("  {name:20} {url}{}", what_to_try(&name)));
    }
    screen.plain(&format!("  variables            . {}", variables.display()));
    screen.plain("ready: everything works; Ctrl-C ends it and keeps the data");
}

fn what_to_try(program: &str) -> &'static str {
    if program.contains("-worker-") {
        "/metrics"
    } else if program.ends_with("-api") {
        "/openapi.json"
    } else {
        "/health/ready"
    }
}

/// In order, still showing what is written; a second request ends it at once.
async fn end(
    system: System,
    screen: &Screen,
    notices: &mut UnboundedReceiver<Notice>,
    stop: &mut Stop,
) -> Result<(), Failure> {
    screen.show(&[]);
    screen.say("stopping everything in order; once more ends it at once");
    let mut stopping = std::pin::pin!(system.stop());
    loop {
        tokio::select! {
            stopped = &mut stopping => {
                while let Ok(notice) = notices.try_recv() {
                    screen.tell(&notice);
                }
                stopped.map_err(Failure::failed)?;
                screen.say("stopped; the data is kept");
                return Ok(());
            }
            Some(notice) = notices.recv() => screen.tell(&notice),
            () = stop.asked() => {
                screen.say("ended at once; the data is kept");
                return Ok(());
            }
        }
    }
}

/// For this user alone: it holds passwords.
fn write_private(file: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(true).write(true).mode(0o600);
    let written = options.open(file).and_then(|mut open| open.write_all(text.as_bytes()));
    written.map_err(|error| Failure::failed(format!("cannot write {}: {error}", file.display())))
}

/// Ctrl-C and SIGTERM.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::failed(format!("no signals: {error}")));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
