use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::keys;
use crate::layers::{Layers, Values};
use crate::problem::Problems;
use crate::secret::Secret;

/// Largest file that holds a secret, in bytes.
const SECRET_MAX_BYTES: u64 = 64 * 1024;

const DAY_SECS: u64 = 24 * 60 * 60;

/// One place where settings are said, with the name that it has in messages.
#[derive(Clone, Copy)]
pub(crate) enum Scope<'a> {
    /// The environment.
    Env(&'a Values),
    /// The top of the file at this path.
    File(&'a Values, &'a str),
    /// The n-th `[[subscription]]`, from 1, of the file at this path.
    Table(&'a Values, usize, &'a str),
}

impl Scope<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let (Self::Env(values) | Self::File(values, _) | Self::Table(values, _, _)) = self;
        values.get(key).map(String::as_str)
    }

    /// What an operator calls `key` here.
    pub(crate) fn name(&self, key: &str) -> String {
        match self {
            Self::Env(_) => key.to_ascii_uppercase(),
            Self::File(_, path) => format!("{key} in {path}"),
            Self::Table(_, number, path) => format!("{key} of subscription {number} in {path}"),
        }
    }
}

/// Looks settings up in scopes, the first that says something wins.
pub(crate) struct Reader<'a> {
    scopes: Vec<Scope<'a>>,
    pub(crate) problems: &'a Problems,
}

/// A setting that was said.
pub(crate) struct Found<'a> {
    /// Which of the keys asked for it was.
    pub(crate) key: &'a str,
    /// Its name in messages.
    pub(crate) name: String,
    /// Its text without surrounding blanks.
    pub(crate) text: String,
}

/// A secret that was looked for.
pub(crate) enum SecretFound {
    /// Nobody said it.
    Absent,
    /// It was said in a way that is already recorded as a problem.
    Refused,
    /// The secret and its name in messages.
    Given(String, Secret),
}

impl<'a> Reader<'a> {
    pub(crate) fn new(scopes: Vec<Scope<'a>>, problems: &'a Problems) -> Self {
        Self { scopes, problems }
    }

    /// Environment over the top of the file.
    pub(crate) fn of_worker(layers: &'a Layers, problems: &'a Problems) -> Self {
        let file = &layers.file;
        Self::new(vec![Scope::Env(&layers.env), Scope::File(&file.top, &file.path)], problems)
    }

    /// The first of `keys` that the first scope which has any of them says.
    pub(crate) fn find<'k>(&self, keys: &[&'k str]) -> Option<Found<'k>> {
        self.scopes.iter().find_map(|scope| {
            keys.iter().find_map(|key| {
                scope.get(key).map(|text| Found { key, name: scope.name(key), text: text.trim().to_owned() })
            })
        })
    }

    /// The name of `key` for a message, whether or not anybody said it.
    pub(crate) fn name(&self, key: &str) -> String {
        let said = self.scopes.iter().find(|scope| scope.get(key).is_some());
        said.or(self.scopes.first()).map_or_else(|| key.to_owned(), |scope| scope.name(key))
    }

    /// The text of `key`, or `default`.
    pub(crate) fn text(&self, key: &str, default: &str) -> String {
        self.find(&[key]).map_or_else(|| default.to_owned(), |found| found.text)
    }

    /// A whole number within `allowed`, or `default`.
    pub(crate) fn number<T>(&self, key: &str, default: T, allowed: RangeInclusive<T>) -> T
    where
        T: Copy + FromStr + PartialOrd + Display,
    {
        let Some(found) = self.find(&[key]) else { return default };
        match found.text.parse::<T>() {
            Ok(number) if allowed.contains(&number) => number,
            Ok(_) | Err(_) => {
                let (low, high) = (allowed.start(), allowed.end());
                let hint = injected_hint(&found.text);
                let reason = format!("use a whole number from {low} to {high}{hint}");
                self.problems.shown(&found.name, &found.text, reason);
                default
            }
        }
    }

    /// Milliseconds within `allowed`.
    pub(crate) fn millis(&self, key: &str, default: u64, allowed: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.number(key, default, allowed))
    }

    /// Seconds within `allowed`.
    pub(crate) fn secs(&self, key: &str, default: u64, allowed: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.number(key, default, allowed))
    }

    /// Days within `allowed`.
    pub(crate) fn days(&self, key: &str, default: u64, allowed: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.number(key, default, allowed) * DAY_SECS)
    }

    /// One of the named choices, or `default`.
    pub(crate) fn choice<T: Copy>(&self, key: &str, default: T, choices: &[(&str, T)]) -> T {
        let Some(found) = self.find(&[key]) else { return default };
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == found.text) {
            return *choice;
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        self.problems.shown(&found.name, &found.text, format!("use {}", names.join(" or ")));
        default
    }

    /// A secret, said directly or through the file that its `_file` key names.
    pub(crate) fn secret(&self, key: &str) -> SecretFound {
        let file_key = keys::file_variant(key);
        for scope in &self.scopes {
            let path = file_key.and_then(|file_key| scope.get(file_key).map(|path| (file_key, path)));
            match (scope.get(key), path) {
                (None, None) => {}
                (Some(text), None) => {
                    return SecretFound::Given(scope.name(key), Secret::new(text));
                }
                (None, Some((file_key, path))) => {
                    return self.secret_file(scope.name(file_key), path.trim());
                }
                (Some(_), Some((file_key, _))) => {
                    let reason = format!("set either this or {}, not both", scope.name(file_key));
                    self.problems.hidden(&scope.name(key), reason);
                    return SecretFound::Refused;
                }
            }
        }
        SecretFound::Absent
    }

    /// The content of `path` without the line end that editors leave behind.
    pub(crate) fn secret_file(&self, name: String, path: &str) -> SecretFound {
        let mut text = String::new();
        let read =
            File::open(path).and_then(|file| file.take(SECRET_MAX_BYTES + 1).read_to_string(&mut text));
        let reason = match read {
            Err(error) => format!("the file cannot be read: {error}"),
            Ok(_) if text.len() as u64 > SECRET_MAX_BYTES => {
                format!("the file is larger than {SECRET_MAX_BYTES} bytes")
            }
            Ok(_) if text.trim().is_empty() => "the file is empty".to_owned(),
            Ok(_) => {
                let secret = Secret::new(text.trim_end_matches(['\r', '\n']));
                return SecretFound::Given(name, secret);
            }
        };
        // A secret put where its file's path belongs must not be repeated.
        if path.starts_with('/') {
            self.problems.shown(&name, path, reason);
        } else {
            self.problems.hidden(&name, format!("{reason} (value not shown)"));
        }
        SecretFound::Refused
    }
}

/// Kubernetes sets `NAME_PORT=tcp://…` for every Service that it finds.
fn injected_hint(text: &str) -> &'static str {
    if text.starts_with("tcp://") {
        "; Kubernetes injects such a value for a Service of that name: set the variable in the \
         pod yourself, or enableServiceLinks: false"
    } else {
        ""
    }
}
