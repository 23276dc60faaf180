use clap::{Args, Parser, Subcommand};
use uuid::Uuid;

/// VibesPro: users and their vibes.
#[derive(Debug, Parser)]
#[command(name = "vibespro", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// Print the answer as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Users.
    #[command(subcommand)]
    User(UserCommand),
    /// Vibes.
    #[command(subcommand)]
    Vibe(VibeCommand),
    /// Bring VibesPro's own tables up to this program.
    Migrate(MigrateArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Register a user, or rename the one that is there.
    Add {
        /// 1 to 64 of a-z, 0-9, `.`, `_` and `-`.
        user_id: String,
        /// What the user is called.
        #[arg(long)]
        name: String,
        #[command(flatten)]
        call: CallArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum VibeCommand {
    /// Create a vibe.
    Create {
        /// Whose it is.
        #[arg(long = "user")]
        user_id: String,
        /// 1 to 120 characters.
        #[arg(long)]
        title: String,
        /// At most 2,000 characters.
        #[arg(long, default_value = "")]
        description: String,
        #[command(flatten)]
        call: CallArgs,
    },
    /// Change title, description or both.
    Update {
        /// Which.
        vibe_id: Uuid,
        /// The revision that you have seen; another one is refused.
        #[arg(long)]
        expected_revision: i64,
        /// The new title.
        #[arg(long, required_unless_present = "description")]
        title: Option<String>,
        /// The new description.
        #[arg(long)]
        description: Option<String>,
        #[command(flatten)]
        call: CallArgs,
    },
    /// Score a vibe.
    Score {
        /// Which.
        vibe_id: Uuid,
        /// 0 to 100.
        #[arg(allow_negative_numbers = true)]
        score: i64,
        /// The revision that you have seen; another one is refused.
        #[arg(long)]
        expected_revision: i64,
        #[command(flatten)]
        call: CallArgs,
    },
    /// Show a vibe.
    Show {
        /// Which.
        vibe_id: Uuid,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// List a user's vibes, newest first.
    List {
        /// Whose.
        #[arg(long = "user")]
        user_id: String,
        /// Most vibes of a page, 1 to 100.
        #[arg(long, default_value_t = 20, allow_negative_numbers = true)]
        limit: i64,
        /// What the page before gave as the next cursor.
        #[arg(long)]
        cursor: Option<String>,
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

#[derive(Args, Debug)]
pub(crate) struct DatabaseArgs {
    /// VibesPro's database, as its application role.
    #[arg(long, env = "DB_URL", hide_env_values = true)]
    pub(crate) db_url: String,
}

#[derive(Args, Debug)]
pub(crate) struct CallArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Repeated with the same key, the command is carried out once.
    #[arg(long)]
    pub(crate) idempotency_key: Option<String>,
    /// Travels with the event.
    #[arg(long)]
    pub(crate) correlation_id: Option<Uuid>,
}

#[derive(Args, Debug)]
pub(crate) struct MigrateArgs {
    /// VibesPro's database, as its migrator.
    #[arg(long, env = "MIGRATOR_URL", hide_env_values = true)]
    pub(crate) migrator_url: String,
}
