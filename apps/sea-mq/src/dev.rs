//! `sea-mq dev`: a whole system on this machine, from `dev.toml`.

mod screen;
mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use sea_mq_contracts::Contracts;
use sea_mq_local::{Description, LocalError, Notice, Notices, Options, System};
use sea_mq_stack::StateDir;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::dev::screen::Screen;
use crate::failure::{Failure, in_one_line};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A program that is not ready after so long is named, and again after as long.
const SAY_WAITING_EVERY: Duration = Duration::from_secs(5);

const AFTER_HELP: &str = "Starts Postgres and NATS, makes the database, streams and tables of each context that \
the file describes, and runs its programs and workers, with one log of all and a table of what waits and flows. When \
everything works it prints the addresses, and a line that begins with `ready`; the file `env` in the state folder has \
them as variables for a shell. What ends is started again. Ctrl-C ends everything in order and keeps the data.\n\n\
Exit codes: 0 ended as asked, 1 failed, 64 the file describes what cannot run.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct DevArgs {
    /// The file that describes the system; paths in it are relative to its folder.
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
    if let Some(contracts) = &description.contracts {
        // Each worker would find the same, again and again.
        Contracts::load(contracts).map_err(|error| Failure::configuration(in_one_line(&error)))?;
    }
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
    let variables = variables(&state);
    write_private(&variables, &system.shell_variables())?;
    let watched = watch(&system, &screen, &mut notices, &mut stop, &variables).await;
    let ended = end(system, &screen, &mut notices, &mut stop).await;
    watched.and(ended)
}

/// Where a shell reads what it needs to talk to the system.
fn variables(state: &StateDir) -> PathBuf {
    state.path().join("env")
}

/// Logs and variables are those of this run; with `fresh` nothing of an earlier one is left.
fn begin(state: &StateDir, fresh: bool) -> Result<(), Failure> {
    if fresh {
        return state.clear().map_err(Failure::failed);
    }
    let logs = state.folder("logs").map_err(Failure::failed)?;
    removed(&logs, std::fs::remove_dir_all(&logs))?;
    let variables = variables(state);
    removed(&variables, std::fs::remove_file(&variables))?;
    state.folder("logs").map(drop).map_err(Failure::failed)
}

fn removed(path: &Path, result: std::io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::failed(format!("cannot remove {}: {error}", path.display())))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// `None` when it was stopped before everything was there; dropping the start ends what it began.
async fn start(
    starting: impl Future<Output = Result<System, LocalError>>,
    screen: &Screen,
    notices: &mut UnboundedReceiver<Notice>,
    stop: &mut Stop,
) -> Result<Option<System>, Failure> {
    let started = tokio::select! {
        started = starting => started,
        () = tell(screen, notices) => return Ok(None),
        () = stop.asked() => {
            screen.say("stopped before everything was there");
            return Ok(None);
        }
    };
    tell_rest(screen, notices);
    started.map(Some).map_err(refused)
}

/// The description is to be changed, or something else is wrong.
fn refused(error: LocalError) -> Failure {
    match error {
        LocalError::Description { .. } | LocalError::ProgramsAbsent(_) | LocalError::OtherNodes { .. } => {
            Failure::configuration(error)
        }
        LocalError::Stack(_)
        | LocalError::Provision { .. }
        | LocalError::Step { .. }
        | LocalError::NotReady { .. }
        | LocalError::UnknownProgram(_)
        | LocalError::ServerGone(_)
        | LocalError::Disorderly(_)
        | LocalError::Stream(_)
        | LocalError::Look(_)
        | LocalError::File { .. } => Failure::failed(error),
    }
}

/// Shows what happens until it is asked to stop, or nothing can work any more.
async fn watch(
    system: &System,
    screen: &Screen,
    notices: &mut UnboundedReceiver<Notice>,
    stop: &mut Stop,
    variables: &Path,
) -> Result<(), Failure> {
    tokio::select! {
        () = stop.asked() => Ok(()),
        error = system.broken() => Err(Failure::failed(error)),
        () = tell(screen, notices) => Ok(()),
        () = look(system, screen, variables) => Ok(()),
    }
}

/// Tells what the system tells, until it is gone.
async fn tell(screen: &Screen, notices: &mut UnboundedReceiver<Notice>) {
    while let Some(notice) = notices.recv().await {
        screen.tell(&notice);
    }
}

fn tell_rest(screen: &Screen, notices: &mut UnboundedReceiver<Notice>) {
    while let Ok(notice) = notices.try_recv() {
        screen.tell(&notice);
    }
}

/// Says when everything works, and from then on shows the table; has no end.
async fn look(system: &System, screen: &Screen, variables: &Path) {
    let mut looking = interval(LOOK_EVERY);
    looking.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = Instant::now();
    loop {
        looking.tick().await;
        let waiting = system.not_ready().await;
        if waiting.is_empty() {
            break;
        }
        if said.elapsed() >= SAY_WAITING_EVERY {
            said = Instant::now();
            waiting.iter().for_each(|(name, why)| screen.say(&format!("waiting for {name}: {why}")));
        }
    }
    announce(system, screen, variables);
    loop {
        screen.show(&table::lines(&system.flow().await));
        looking.tick().await;
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
    let stopped = tokio::select! {
        stopped = system.stop() => stopped,
        () = tell(screen, notices) => Ok(()),
        () = stop.asked() => {
            screen.say("ended at once; the data is kept");
            return Ok(());
        }
    };
    tell_rest(screen, notices);
    stopped.map_err(Failure::failed)?;
    screen.say("stopped; the data is kept");
    Ok(())
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

/// Ctrl-C, SIGTERM, and the end of the terminal.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Stop {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::failed(format!("no signals: {error}")));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
