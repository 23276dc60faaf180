use vibespro_public_api::{
    CallContext, CreateVibe, InProcess, Options, PageRequest, RegisterUser, ScoreVibe, UpdateVibe, VibesPro,
    migrate,
};

use crate::cli::{CallArgs, Command, DatabaseArgs, MigrateArgs, UserCommand, VibeCommand};
use crate::failure::Failure;
use crate::output::Output;

pub(crate) async fn run(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::User(command) => user(command, output).await,
        Command::Vibe(command) => vibe(command, output).await,
        Command::Migrate(args) => migrate_tables(args, output).await,
    }
}

async fn user(command: UserCommand, output: &Output) -> Result<(), Failure> {
    match command {
        UserCommand::Add { user_id, name, call } => {
            let (vibespro, call) = open(call)?;
            let done = vibespro.register_user(user_id, RegisterUser { name }, call).await?;
            output.registered(&done)
        }
    }
}

async fn vibe(command: VibeCommand, output: &Output) -> Result<(), Failure> {
    match command {
        VibeCommand::Create { user_id, title, description, call } => {
            let (vibespro, call) = open(call)?;
            output.changed(&vibespro.create_vibe(CreateVibe { user_id, title, description }, call).await?)
        }
        VibeCommand::Update { vibe_id, expected_revision, title, description, call } => {
            let (vibespro, call) = open(call)?;
            let request = UpdateVibe { expected_revision, title, description };
            output.changed(&vibespro.update_vibe(vibe_id, request, call).await?)
        }
        VibeCommand::Score { vibe_id, score, expected_revision, call } => {
            let (vibespro, call) = open(call)?;
            let request = ScoreVibe { expected_revision, score };
            output.changed(&vibespro.score_vibe(vibe_id, request, call).await?)
        }
        VibeCommand::Show { vibe_id, database } => {
            output.vibe(&connect(&database)?.vibe_summary(vibe_id).await?)
        }
        VibeCommand::List { user_id, limit, cursor, database } => {
            let page = PageRequest { limit: Some(limit), cursor };
            output.page(&connect(&database)?.vibes_of_user(user_id, page).await?)
        }
    }
}

async fn migrate_tables(args: MigrateArgs, output: &Output) -> Result<(), Failure> {
    output.migrated(&migrate(&args.migrator_url).await?)
}

fn open(args: CallArgs) -> Result<(InProcess, CallContext), Failure> {
    let CallArgs { database, idempotency_key, correlation_id } = args;
    Ok((connect(&database)?, CallContext { idempotency_key, correlation_id, traceparent: None }))
}

/// One command needs one connection.
fn connect(args: &DatabaseArgs) -> Result<InProcess, Failure> {
    let options =
        Options { max_connections: 1, application_name: "vibespro-cli".to_owned(), ..Options::default() };
    Ok(InProcess::connect(&args.db_url, &options)?)
}
