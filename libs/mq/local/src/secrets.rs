use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sea_mq_event::ContextName;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::LocalError;

/// The passwords of a system, made once and kept with its state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Secrets(BTreeMap<String, String>);

impl Secrets {
    /// Reads them from a file that only this user can open.
    pub(crate) fn read(file: &Path) -> Result<Self, LocalError> {
        match std::fs::read_to_string(file) {
            Ok(text) => {
                serde_json::from_str(&text).map_err(|error| LocalError::file("read", file)(error.into()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(LocalError::file("read", file)(error)),
        }
    }

    /// Makes those that are absent and keeps all of them.
    pub(crate) fn complete<'a>(
        &mut self,
        file: &Path,
        contexts: impl Iterator<Item = &'a ContextName>,
    ) -> Result<(), LocalError> {
        let of_contexts =
            contexts.flat_map(|name| ["app", "worker", "migrator", "nats"].map(|of| key(name.as_str(), of)));
        let nats = ["operator", "provision"].map(|user| key(user, "nats"));
        for key in of_contexts.chain(nats) {
            // Random, and in need of no quoting anywhere.
            self.0.entry(key).or_insert_with(|| format!("s{}", Uuid::new_v4().simple()));
        }
        self.write(file).map_err(LocalError::file("write", file))
    }

    fn write(&self, file: &Path) -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        let mut open = options.create(true).truncate(true).write(true).mode(0o600).open(file)?;
        open.write_all(serde_json::to_string_pretty(self)?.as_bytes())
    }

    /// The password `of` (`app`, `worker`, `migrator`, `nats`) of a context or NATS user.
    pub(crate) fn get(&self, name: &str, of: &str) -> &str {
        self.0.get(&key(name, of)).map_or("", String::as_str)
    }
}

fn key(name: &str, of: &str) -> String {
    format!("{name}.{of}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use sea_mq_event::ContextName;

    use super::Secrets;

    #[test]
    fn they_are_kept_and_completed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secrets.json");
        let names = ["sea", "notes"].map(|name| ContextName::parse(name).unwrap());
        let mut first = Secrets::read(&file).unwrap();
        first.complete(&file, names[..1].iter()).unwrap();
        let mut second = Secrets::read(&file).unwrap();
        second.complete(&file, names.iter()).unwrap();
        assert_eq!(first.get("sea", "app"), second.get("sea", "app"));
        assert_ne!(second.get("notes", "nats"), second.get("operator", "nats"));
        assert!(second.get("notes", "worker").len() > 16);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
