//! The ways in: the process's environment, or variables given by the caller.

use crate::keys;
use crate::layers::Layers;
use crate::problem::{ConfigError, Problems};
use crate::reader::Reader;
use crate::section::database::DatabaseSettings;
use crate::section::nats::NatsSettings;
use crate::settings::Settings;

impl Settings {
    /// Reads the worker's settings from the environment of this process and the file
    /// that its `CONFIG_FILE` names.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem of either.
    pub fn load() -> Result<Self, ConfigError> {
        let problems = Problems::default();
        let vars = process_vars(&problems);
        collect(vars, problems, Self::read)
    }

    /// The same from the given variables instead of the process's.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem.
    pub fn from_env(vars: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        collect(vars, Problems::default(), Self::read)
    }
}

impl NatsSettings {
    /// Reads only how to reach the broker: for a command that needs nothing else.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem of this section and of the file's form.
    pub fn load() -> Result<Self, ConfigError> {
        let problems = Problems::default();
        let vars = process_vars(&problems);
        collect(vars, problems, |layers, problems| Some(Self::read(&Reader::of_worker(layers, problems))))
    }
}

impl DatabaseSettings {
    /// Reads only how to reach the context's database.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem of this section and of the file's form.
    pub fn load() -> Result<Self, ConfigError> {
        let problems = Problems::default();
        let vars = process_vars(&problems);
        collect(vars, problems, |layers, problems| Some(Self::read(&Reader::of_worker(layers, problems))))
    }
}

fn collect<T>(
    vars: impl IntoIterator<Item = (String, String)>,
    problems: Problems,
    read: impl FnOnce(&Layers, &Problems) -> Option<T>,
) -> Result<T, ConfigError> {
    let layers = Layers::read(vars, &problems);
    let settings = read(&layers, &problems);
    problems.settle(settings)
}

/// The process's variables that are text; one of ours that is not is a problem.
fn process_vars(problems: &Problems) -> Vec<(String, String)> {
    let mut vars = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => vars.push((name, value)),
            Err(_) if name == "CONFIG_FILE" || keys::is_variable(&name) => {
                problems.hidden(&name, "is not UTF-8 text");
            }
            Err(_) => {}
        }
    }
    vars
}
