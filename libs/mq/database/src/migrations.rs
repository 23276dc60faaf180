use std::borrow::Cow;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType};

/// Largest payload unless told otherwise: a broker limit of 1 MiB less 16 KiB for headers.
pub const DEFAULT_MAX_PAYLOAD_BYTES: i32 = 1_048_576 - 16_384;

/// Every migration of the schema, oldest first. Released ones are never edited: the checksum of
/// the whole text is compared before anything runs.
const EMBEDDED: &[EmbeddedMigration] = &[
    EmbeddedMigration {
        version: 1,
        name: "settings and leases",
        sql: include_str!("../migrations/0001_settings_and_leases.sql"),
    },
    EmbeddedMigration { version: 2, name: "outbox", sql: include_str!("../migrations/0002_outbox.sql") },
    EmbeddedMigration { version: 3, name: "inbox", sql: include_str!("../migrations/0003_inbox.sql") },
];

/// One step of the schema, as it is compiled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbeddedMigration {
    /// Its place in the order, from 1.
    pub version: i64,
    /// What it is about.
    pub name: &'static str,
    /// Its whole text.
    pub sql: &'static str,
}

impl EmbeddedMigration {
    pub(crate) fn runnable(&self) -> Migration {
        let sql = self.sql.into_sql_str();
        Migration::new(self.version, Cow::Borrowed(self.name), MigrationType::Simple, sql, false)
    }
}

/// The migrations that this program holds, oldest first.
#[must_use]
#[cfg(not(debug_assertions))]
pub fn embedded_migrations() -> &'static [EmbeddedMigration] {
    EMBEDDED
}

/// The migrations that this program holds, oldest first. In a build with debug assertions a test may give
/// it further ones, as a later version would have: the files of the folder that the environment variable
/// `SEA_MQ_LATER_MIGRATIONS` names, in the order of their names.
#[must_use]
#[cfg(debug_assertions)]
pub fn embedded_migrations() -> &'static [EmbeddedMigration] {
    static WITH_LATER: std::sync::OnceLock<Vec<EmbeddedMigration>> = std::sync::OnceLock::new();
    WITH_LATER.get_or_init(|| {
        let later = std::env::var_os("SEA_MQ_LATER_MIGRATIONS");
        [EMBEDDED, &later.map(|folder| later_migrations(folder.as_ref())).unwrap_or_default()].concat()
    })
}

/// For as long as the program runs. What cannot be read is not there.
#[cfg(debug_assertions)]
fn later_migrations(folder: &std::path::Path) -> Vec<EmbeddedMigration> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<std::path::PathBuf> = files.map(|entry| entry.path()).collect();
    files.sort();
    let texts = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
    let first = EMBEDDED.len() as i64 + 1;
    (first..)
        .zip(texts)
        .map(|(version, text)| EmbeddedMigration { version, name: "later", sql: text.leak() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::EMBEDDED;

    #[test]
    fn versions_rise_by_one_and_every_file_is_listed() {
        let versions: Vec<i64> = EMBEDDED.iter().map(|m| m.version).collect();
        assert_eq!(versions, (1..=EMBEDDED.len() as i64).collect::<Vec<_>>());
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let files = std::fs::read_dir(folder).map(Iterator::count);
        assert_eq!(files.ok(), Some(EMBEDDED.len()));
    }
}
