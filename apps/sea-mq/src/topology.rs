//! `sea-mq topology`: what a context declares of JetStream against what there is.

mod declared;
mod report;

use clap::Subcommand;
use sea_mq_stream::{Broker, Plan, Step, StreamError, Topology, apply, plan, verify};

use crate::failure::Failure;
use crate::output::Output;
use crate::topology::declared::{Declared, TopologyArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum TopologyCommand {
    /// Show what apply would do; exit code 1 when something stands in its way.
    Plan(TopologyArgs),
    /// Make streams and consumers as declared; deletes nothing stored.
    Apply(ApplyArgs),
    /// Compare with the worker's own permissions; exit code 1 on any difference.
    Verify(TopologyArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    topology: TopologyArgs,
    /// Show what would be done and change nothing, as `plan` does.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(command: TopologyCommand, output: &Output) -> Result<(), Failure> {
    let args = match &command {
        TopologyCommand::Plan(args) | TopologyCommand::Verify(args) => args,
        TopologyCommand::Apply(args) => &args.topology,
    };
    let declared = Declared::read(args)?;
    let topology = Topology::for_context(&declared.topology);
    let broker = declared.connect().await?;
    let done = match &command {
        TopologyCommand::Plan(_) => run_plan(&broker, &topology, output).await,
        TopologyCommand::Apply(args) if args.dry_run => run_plan(&broker, &topology, output).await,
        TopologyCommand::Apply(_) => run_apply(&broker, &topology, output).await,
        TopologyCommand::Verify(_) => run_verify(&broker, &topology, output).await,
    };
    broker.close().await;
    done
}

async fn run_plan(broker: &Broker, topology: &Topology, output: &Output) -> Result<(), Failure> {
    let plan = plan(broker, topology).await?;
    output.print(&plan.to_string(), &report::plan_json(&plan))?;
    if plan.refusals().next().is_some() { Err(Failure::found()) } else { Ok(()) }
}

async fn run_apply(broker: &Broker, topology: &Topology, output: &Output) -> Result<(), Failure> {
    let before = plan(broker, topology).await?;
    let done = match apply(broker, topology).await {
        Ok(done) => done,
        Err(error) => return Err(after_failure(broker, topology, &before, error).await),
    };
    output.print(&done.to_string(), &report::plan_json(&done))?;
    let waiting = done.blocked().count();
    if waiting == 0 {
        return Ok(());
    }
    Err(Failure::partly(format!(
        "{waiting} of {} parts wait for another context's stream; apply again when it exists",
        done.steps.len()
    )))
}

/// Some of the steps before the one that failed may have been done: that is to be told apart.
async fn after_failure(broker: &Broker, topology: &Topology, before: &Plan, error: StreamError) -> Failure {
    let done = match plan(broker, topology).await {
        Ok(after) => in_sync(&after).saturating_sub(in_sync(before)),
        // Then nothing more is known than the first error.
        Err(_) => 0,
    };
    if done == 0 {
        return error.into();
    }
    Failure::partly(format!("{done} parts were made as declared, then: {error}; apply again"))
}

fn in_sync(plan: &Plan) -> usize {
    plan.steps.iter().filter(|step| matches!(step, Step::InSync { .. })).count()
}

async fn run_verify(broker: &Broker, topology: &Topology, output: &Output) -> Result<(), Failure> {
    let found = verify(broker, topology).await?;
    output.print(&report::verification_text(&found, topology), &report::verification_json(&found))?;
    if found.is_in_sync() { Ok(()) } else { Err(Failure::found()) }
}
