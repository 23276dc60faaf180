//! `sea-mq chaos`: breaks a whole system on purpose, and judges what became of every event.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sea_mq_chaos::report::summary;
use sea_mq_chaos::{ChaosError, FaultKind, Finished, Options};
use sea_mq_stack::{StackError, private_mounts, project_root};
use serde_json::json;

use crate::failure::{Failure, in_one_line};
use crate::output::{Output, complain};

const AFTER_HELP: &str = "Starts Postgres, three NATS nodes, two contexts with two workers each and FastAPI \
handlers, commits a mixed load, and injects one fault after another: which, when and on whom follows from the seed. \
Then everything is healed, and the history of every event is judged. The folder keeps the logs, report.html and \
report.json, and history.json when a promise was broken. Nothing outside of the folder is touched.\n\n\
Exit codes: 0 every promise was kept and the backlog was gone in time, 1 not so, 2 usage, 64 what it needs is not there.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ChaosArgs {
    /// The seed of an earlier run, to run it again [default: a new one, which is printed].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// For how long faults are injected.
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u64).range(1..=1440))]
    minutes: u64,
    /// Only this kind of fault; may be given several times. A name that does not exist lists them all.
    #[arg(long = "fault", value_name = "KIND", value_parser = parse_kind)]
    faults: Vec<FaultKind>,
    /// Seconds from one fault to the next.
    #[arg(long, value_name = "SECS", default_value_t = 12, value_parser = clap::value_parser!(u64).range(5..=3600))]
    every: u64,
    /// Events committed in a second, over both contexts.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Where data, logs and the report are kept; what an earlier run left there is removed.
    #[arg(long, value_name = "FOLDER", default_value = ".state/chaos")]
    folder: PathBuf,
    /// The Python of the handlers, with the packages that they need [default: .venv of the source tree].
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
}

fn parse_kind(text: &str) -> Result<FaultKind, String> {
    text.parse().map_err(|error: ChaosError| error.to_string())
}

pub(crate) async fn run(args: ChaosArgs, output: &Output) -> Result<(), Failure> {
    match private_mounts() {
        Ok(()) => {}
        Err(refused @ StackError::NotAllowed { .. }) => {
            complain(&format!("full disks are left out: {refused}"));
        }
        Err(error) => return Err(Failure::failed(error)),
    }
    let options = options(args)?;
    let finished = tokio::select! {
        finished = sea_mq_chaos::run(&options, &complain) => finished.map_err(failure)?,
        _ = tokio::signal::ctrl_c() => return Err(Failure::failed("stopped: nothing was judged")),
    };
    let Finished { report, page } = finished;
    let text = format!("{}\n{}", summary(&report), page.display());
    let json = serde_json::to_value(&report).unwrap_or_else(|error| json!({ "error": error.to_string() }));
    output.print(&text, &json)?;
    if report.outcome.bar_met { Ok(()) } else { Err(Failure::found()) }
}

fn options(args: ChaosArgs) -> Result<Options, Failure> {
    // Small enough to be typed again.
    let seed = args.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let program = std::env::current_exe().map_err(|error| Failure::failed(in_one_line(&error)))?;
    let kinds = if args.faults.is_empty() { FaultKind::ALL.to_vec() } else { args.faults };
    Ok(Options {
        length: Duration::from_secs(args.minutes * 60),
        every: Duration::from_secs(args.every),
        kinds,
        rate: args.rate,
        python: args.python.unwrap_or_else(|| project_root().join(".venv/bin/python3")),
        ..Options::new(seed, args.folder, program)
    })
}

fn failure(error: ChaosError) -> Failure {
    match error {
        ChaosError::NoPython(_)
        | ChaosError::UnknownFault { .. }
        | ChaosError::ForeignFolder(_)
        | ChaosError::Stack(StackError::BinaryMissing { .. }) => Failure::configuration(error),
        ChaosError::Stack(_)
        | ChaosError::Testkit(_)
        | ChaosError::NotReady { .. }
        | ChaosError::Command { .. }
        | ChaosError::File { .. } => Failure::failed(in_one_line(&error)),
    }
}
