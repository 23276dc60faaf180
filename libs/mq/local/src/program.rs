use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_mq_stack::{Launch, StateDir, workspace_binary};

use crate::environment::filled_in;
use crate::{Context, Description, LocalError, ProgramDescription};

/// How long a step that runs once may take.
const STEP_LIMIT: Duration = Duration::from_secs(120);

/// Something that is started: how, and where it answers.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) launch: Launch,
    pub(crate) name: String,
    pub(crate) port: u16,
}

impl Plan {
    /// A context's program on this port.
    pub(crate) fn program(
        description: &Description,
        context: &Context,
        name: &str,
        program: &ProgramDescription,
        ports: &BTreeMap<String, u16>,
        reload: bool,
    ) -> Self {
        let port = ports.get(name).copied().unwrap_or_default();
        let env = program.env.iter().map(|(key, value)| (key.clone(), filled_in(value, ports)));
        let launch = command(description, name, &program.command)
            .env("DB_URL", &context.app_url)
            .env("LISTEN", format!("127.0.0.1:{port}"))
            .env("PYTHONUNBUFFERED", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("NO_COLOR", "1")
            .env("RELOAD", if reload { "1" } else { "" })
            .envs(env);
        Self { launch, name: name.to_owned(), port }
    }
}

/// A command of the description, run in its folder.
pub(crate) fn command(description: &Description, name: &str, words: &[String]) -> Launch {
    let (program, arguments) = words.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
    Launch::new(name, found(description, program)).args(arguments.iter().cloned()).dir(&description.folder)
}

/// Relative to the description, beside this program, or left to `PATH`.
fn found(description: &Description, program: &str) -> PathBuf {
    if program.contains('/') {
        return description.folder.join(program);
    }
    workspace_binary(program).unwrap_or_else(|_absent| PathBuf::from(program))
}

/// The programs of the description that are nowhere, each with what needs it.
pub(crate) fn absent(description: &Description) -> Vec<String> {
    let mut needed = vec![("a worker".to_owned(), "sea-mq-worker"), ("the topology".to_owned(), "sea-mq")];
    for (name, context) in &description.contexts {
        needed.extend(context.migrate.first().map(|word| (format!("context.{name}.migrate"), word.as_str())));
    }
    for (context, name, program) in description.programs() {
        let needs = format!("context.{context}.program.{name}");
        needed.extend(program.command.first().map(|word| (needs, word.as_str())));
    }
    let absent = needed.into_iter().filter(|(_, program)| !is_there(&found(description, program)));
    absent.map(|(needs, program)| problem(description, &needs, program)).collect()
}

fn is_there(program: &Path) -> bool {
    if program.components().count() > 1 {
        return program.is_file();
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

fn problem(description: &Description, needs: &str, program: &str) -> String {
    if program.contains('/') {
        format!("{needs}: there is no file {}", description.folder.join(program).display())
    } else {
        format!("{needs}: there is no program {program}, neither beside sea-mq nor on PATH")
    }
}

/// Runs a step to its end; its exit code.
///
/// # Errors
/// [`LocalError::Step`] with the end of its output when the code is none of `fine`.
pub(crate) async fn run_once(
    launch: Launch,
    step: &str,
    state: &StateDir,
    fine: &[i32],
) -> Result<i32, LocalError> {
    let process = launch.start(state).await?;
    let status = process.wait_within(STEP_LIMIT).await?;
    match status.code().filter(|code| fine.contains(code)) {
        Some(code) => Ok(code),
        None => Err(LocalError::Step {
            step: step.to_owned(),
            status: status.to_string(),
            output: process.last_lines(),
        }),
    }
}
