use std::cell::RefCell;
use std::fmt;

/// Longest part of a value that a message repeats, in characters.
const SHOWN_CHARS: usize = 100;
/// Longest name of a setting, and longest reason, in characters: keys and paths are part of them.
const LINE_CHARS: usize = 400;
/// Most problems that are listed.
const MOST: usize = 500;

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: a variable (`MAX_INFLIGHT`) or a file key (`max_inflight in /etc/sea-mq.toml`).
    pub setting: String,
    /// What was found there, quoted and cut; `None` when nothing was, or when it is a secret.
    pub value: Option<String>,
    /// What is wrong and what would be allowed.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} is {value}: {}", self.setting, self.reason),
            None => write!(f, "{}: {}", self.setting, self.reason),
        }
    }
}

/// Everything that is wrong with the configuration; the start must not go on (exit code 64).
#[derive(Debug, thiserror::Error)]
#[error("{}", list(.problems))]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    /// Every problem, in the order of the sections; never empty.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

fn list(problems: &[Problem]) -> String {
    let head = match problems.len() {
        1 => "1 problem in the configuration:".to_owned(),
        n => format!("{n} problems in the configuration:"),
    };
    problems.iter().fold(head, |text, problem| format!("{text}\n  - {problem}"))
}

/// Collects problems while the sections are read one after the other.
#[derive(Default)]
pub(crate) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    /// A problem with a value that may be shown.
    pub(crate) fn shown(&self, setting: &str, value: &str, reason: impl Into<String>) {
        self.push(setting, Some(quote(value)), reason);
    }

    /// A problem whose value is absent or secret.
    pub(crate) fn hidden(&self, setting: &str, reason: impl Into<String>) {
        self.push(setting, None, reason);
    }

    /// True when nothing more is listed.
    pub(crate) fn is_full(&self) -> bool {
        self.0.borrow().len() > MOST
    }

    fn push(&self, setting: &str, value: Option<String>, reason: impl Into<String>) {
        let problem = Problem { setting: in_one_line(setting), value, reason: in_one_line(&reason.into()) };
        let mut problems = self.0.borrow_mut();
        // A value that speaks of several subscriptions is judged once for each.
        if problems.len() > MOST || problems.contains(&problem) {
            return;
        }
        let is_full = problems.len() == MOST;
        problems.push(if is_full { more() } else { problem });
    }

    /// The settings, if they are complete and nobody complained about them.
    pub(crate) fn settle<T>(self, settings: Option<T>) -> Result<T, ConfigError> {
        let problems = self.0.into_inner();
        match settings {
            Some(settings) if problems.is_empty() => Ok(settings),
            Some(_) | None => Err(ConfigError { problems }),
        }
    }
}

fn more() -> Problem {
    let reason = format!("there are more problems than the {MOST} that are listed");
    Problem { setting: "the configuration".to_owned(), value: None, reason }
}

/// Without control characters, cut to [`LINE_CHARS`].
fn in_one_line(text: &str) -> String {
    let cut = text.char_indices().nth(LINE_CHARS);
    let (kept, dots) = cut.map_or((text, ""), |(end, _)| (&text[..end], "…"));
    let clean: String = kept.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{clean}{dots}")
}

/// Quoted with control characters escaped, cut to [`SHOWN_CHARS`].
fn quote(value: &str) -> String {
    let cut: String = value.chars().take(SHOWN_CHARS).collect();
    let dots = if cut.len() < value.len() { "…" } else { "" };
    format!("{cut:?}{dots}")
}
