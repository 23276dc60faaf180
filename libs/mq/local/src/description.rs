use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sea_mq_event::ContextName;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::LocalError;
use crate::environment::references;

const MOST_WORKERS: usize = 8;

/// What a system consists of: the contents of `dev.toml`.
#[derive(Clone, Debug)]
pub struct Description {
    /// The folder of the file: paths in it are relative to here, and programs run here.
    pub folder: PathBuf,
    /// NATS nodes, 1 or 3.
    pub nats_nodes: usize,
    /// The contracts' folder that workers hold events against, if any.
    pub contracts: Option<PathBuf>,
    /// The contexts, by name.
    pub contexts: BTreeMap<ContextName, ContextDescription>,
}

/// One context of a system.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextDescription {
    /// Instances of its worker.
    #[serde(default = "two")]
    pub workers: usize,
    /// The contexts whose events its handler gets.
    #[serde(default, deserialize_with = "context_names")]
    pub consumes: Vec<ContextName>,
    /// Which of its programs gets them, by `POST /handle`.
    pub handler: Option<String>,
    /// The command that makes its own tables. It runs at each start, with `MIGRATOR_URL`.
    #[serde(default)]
    pub migrate: Vec<String>,
    /// Further settings of its workers.
    #[serde(default)]
    pub worker: BTreeMap<String, String>,
    /// Its programs, by name.
    #[serde(default)]
    pub program: BTreeMap<String, ProgramDescription>,
}

/// One program of a context. It gets `DB_URL` (as the context's application role) and `LISTEN`, and
/// answers `GET /health/ready`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramDescription {
    /// The program and its arguments: beside this program, else on `PATH`; with a `/`, relative to
    /// the description.
    pub command: Vec<String>,
    /// The port wished for; another one is taken when it is not free.
    pub port: Option<u16>,
    /// Further environment; `{url:NAME}` is the base URL of the program NAME.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    #[serde(default = "three")]
    nats_nodes: usize,
    contracts: Option<PathBuf>,
    #[serde(default)]
    context: BTreeMap<String, toml::Value>,
}

impl Description {
    /// Reads a description.
    ///
    /// # Errors
    /// [`LocalError::Description`] says what is wrong and where.
    pub fn read(file: &Path) -> Result<Self, LocalError> {
        let failed = |problem: String| LocalError::Description { file: file.to_owned(), problem };
        let text =
            std::fs::read_to_string(file).map_err(|error| failed(format!("cannot be read: {error}")))?;
        let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().map_err(|error| failed(error.to_string()))?;
        Self::parse(&text, folder).map_err(failed)
    }

    fn parse(text: &str, folder: PathBuf) -> Result<Self, String> {
        let contents: Contents = toml::from_str(text).map_err(|error| error.to_string())?;
        let contexts = contents.context.into_iter().map(|(name, value)| {
            let context = ContextName::parse(&name).map_err(|error| format!("context.{name}: {error}"))?;
            let described = value.try_into().map_err(|error| format!("context.{name}: {error}"))?;
            Ok((context, described))
        });
        let described = Self {
            nats_nodes: contents.nats_nodes,
            contracts: contents.contracts.map(|path| folder.join(path)),
            contexts: contexts.collect::<Result<_, String>>()?,
            folder,
        };
        let problems = described.problems();
        if problems.is_empty() { Ok(described) } else { Err(problems.join("\n")) }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !matches!(self.nats_nodes, 1 | 3) {
            problems.push(format!("nats_nodes is {}; write 1 or 3", self.nats_nodes));
        }
        if let Some(folder) = self.contracts.as_ref().filter(|folder| !folder.is_dir()) {
            problems.push(format!("contracts: there is no folder {}", folder.display()));
        }
        if self.contexts.is_empty() {
            problems.push("it names no context; write a table such as [context.sea]".to_owned());
        }
        for (name, context) in &self.contexts {
            let of_context = self.problems_of(context);
            problems.extend(of_context.into_iter().map(|problem| format!("context.{name}: {problem}")));
        }
        problems
    }

    fn problems_of(&self, context: &ContextDescription) -> Vec<String> {
        let mut problems = Vec::new();
        if !(1..=MOST_WORKERS).contains(&context.workers) {
            problems.push(format!("workers is {}; write 1 to {MOST_WORKERS}", context.workers));
        }
        let unknown = context.consumes.iter().filter(|source| !self.contexts.contains_key(*source));
        problems.extend(unknown.map(|source| format!("it consumes {source}, which is not described")));
        match &context.handler {
            None if !context.consumes.is_empty() => {
                problems.push("it consumes, so handler has to name one of its programs".to_owned());
            }
            Some(handler) if !context.program.contains_key(handler) => {
                problems.push(format!("handler is {handler}, which is none of its programs"));
            }
            None | Some(_) => {}
        }
        for (name, program) in &context.program {
            problems.extend(self.problem_of(name, program));
        }
        problems
    }

    fn problem_of(&self, name: &str, program: &ProgramDescription) -> Option<String> {
        let twice = self.programs().filter(|(_, other, _)| *other == name).count() > 1;
        let unknown = references(program.env.values())
            .find(|wanted| !self.programs().any(|(_, other, _)| other == *wanted));
        if program.command.is_empty() {
            Some(format!("program.{name}: command is empty"))
        } else if !is_name(name) {
            Some(format!("program.{name}: a name has letters, digits, `-` and `_` only"))
        } else if twice {
            Some(format!("program.{name}: another context has a program of this name"))
        } else {
            unknown.map(|wanted| format!("program.{name}: {{url:{wanted}}} is no program"))
        }
    }

    /// Every program with its context and name.
    pub(crate) fn programs(&self) -> impl Iterator<Item = (&ContextName, &str, &ProgramDescription)> {
        self.contexts.iter().flat_map(|(context, described)| {
            described.program.iter().map(move |(name, program)| (context, name.as_str(), program))
        })
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn context_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ContextName>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    names.iter().map(|name| ContextName::parse(name).map_err(D::Error::custom)).collect()
}

fn two() -> usize {
    2
}

fn three() -> usize {
    3
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Description;

    const GOOD: &str = r#"
        [context.sea]
        consumes = ["vibespro"]
        handler = "sea-handlers"
        [context.sea.program.sea-handlers]
        command = ["x"]
        env = { API = "{url:vibespro-api}/v1" }
        [context.vibespro]
        workers = 1
        [context.vibespro.program.vibespro-api]
        command = ["y", "--quiet"]
        port = 8002
    "#;

    fn parse(text: &str) -> Result<Description, String> {
        Description::parse(text, std::env::temp_dir())
    }

    #[test]
    fn defaults_are_two_workers_and_three_nodes() {
        let described = parse(GOOD).unwrap();
        assert_eq!(described.nats_nodes, 3);
        let workers: Vec<usize> = described.contexts.values().map(|context| context.workers).collect();
        assert_eq!(workers, [2, 1]);
        let programs: Vec<&str> = described.programs().map(|(_, name, _)| name).collect();
        assert_eq!(programs, ["sea-handlers", "vibespro-api"]);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (from, to, told) in [
            ("[context.sea]", "nats_nodes = 2\n[context.sea]", "write 1 or 3"),
            ("[context.sea]", "contracts = \"nowhere-at-all\"\n[context.sea]", "nowhere-at-all"),
            ("workers = 1", "workers = 0", "write 1 to 8"),
            ("\"vibespro\"]", "\"billing\"]", "billing, which is not described"),
            ("handler = \"sea-handlers\"", "", "handler has to name"),
            ("handler = \"sea-handlers\"", "handler = \"other\"", "none of its programs"),
            ("url:vibespro-api", "url:nobody", "{url:nobody} is no program"),
            ("[\"x\"]", "[]", "command is empty"),
            ("workers = 1", "wokers = 1", "wokers"),
            ("program.vibespro-api", "program.sea-handlers", "another context has"),
        ] {
            let problem = parse(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(problem.contains(told), "{told} in {problem}");
        }
        assert!(parse("").unwrap_err().contains("names no context"));
    }
}
