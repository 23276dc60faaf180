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
pub fn embedded_migrations() -> &'static [EmbeddedMigration] {
    EMBEDDED
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
