//! What the database's ledger of migrations says, against what is embedded here.

use std::time::Duration;

use sea_mq_event::ContextName;
use sqlx::{Connection, PgConnection};
use time::OffsetDateTime;

use crate::connect::open;
use crate::migrations::{EmbeddedMigration, embedded_migrations};
use crate::target::parse_url;
use crate::{DatabaseError, Target};

const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// The ledger. Its own name and place, so that an application's migrations can live beside it.
pub(crate) const LEDGER: &str = "public.mq_migrations";

/// A migration that the ledger lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedMigration {
    /// Its version.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// When it was applied.
    pub applied_at: OffsetDateTime,
    pub(crate) checksum: Vec<u8>,
}

/// Where a database's schema stands.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SchemaStatus {
    /// The context that the database says it is of; `None` before the first migration.
    pub context: Option<String>,
    /// The largest payload that its outbox takes, bytes; `None` before the first migration.
    pub max_payload_bytes: Option<i32>,
    /// What the ledger lists, oldest first.
    pub applied: Vec<AppliedMigration>,
    /// Embedded and not applied, oldest first.
    pub pending: Vec<EmbeddedMigration>,
    /// Applied with another text than the embedded one.
    pub changed: Vec<EmbeddedMigration>,
    /// Applied and unknown to this program.
    pub newer: Vec<i64>,
}

impl SchemaStatus {
    /// True when the schema is exactly what this program was built for.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.pending.is_empty() && self.changed.is_empty() && self.newer.is_empty()
    }

    /// The refusal that a schema of unknown or altered migrations calls for.
    ///
    /// # Errors
    /// [`DatabaseError::SchemaNewer`] or [`DatabaseError::MigrationChanged`].
    pub fn refuse_unknown(&self, target: &Target) -> Result<(), DatabaseError> {
        if let Some(&version) = self.newer.last() {
            let known = embedded_migrations().last().map_or(0, |m| m.version);
            return Err(DatabaseError::SchemaNewer { target: target.boxed(), version, known });
        }
        if let Some(changed) = self.changed.first() {
            let (version, name) = (changed.version, changed.name.to_owned());
            return Err(DatabaseError::MigrationChanged { target: target.boxed(), version, name });
        }
        Ok(())
    }
}

/// Compares ledger and embedded migrations. Pure.
pub(crate) fn compare(applied: Vec<AppliedMigration>, embedded: &[EmbeddedMigration]) -> SchemaStatus {
    let find = |version| applied.iter().find(|a| a.version == version);
    let pending = embedded.iter().filter(|m| find(m.version).is_none()).copied().collect();
    let changed = embedded
        .iter()
        .filter(|m| find(m.version).is_some_and(|a| a.checksum != *m.runnable().checksum))
        .copied()
        .collect();
    let known = |version| embedded.iter().any(|m| m.version == version);
    let newer = applied.iter().map(|a| a.version).filter(|v| !known(*v)).collect();
    SchemaStatus { applied, pending, changed, newer, ..SchemaStatus::default() }
}

/// Reads where the schema stands. Any role of the context may; nothing is changed.
///
/// # Errors
/// The driver's error.
pub async fn schema_status(connection: &mut PgConnection) -> Result<SchemaStatus, sqlx::Error> {
    let mut status = compare(read_ledger(connection).await?, embedded_migrations());
    if exists(connection, "public.mq_settings").await? {
        let row: Option<(String, i32)> =
            sqlx::query_as("SELECT context, max_payload_bytes FROM public.mq_settings")
                .fetch_optional(connection)
                .await?;
        (status.context, status.max_payload_bytes) = row.unzip();
    }
    Ok(status)
}

/// Connects as any role of `context` and reads where the schema stands; changes nothing.
///
/// # Errors
/// [`DatabaseError`]; [`WrongContext`](DatabaseError::WrongContext) when the database is another's.
pub async fn read_schema_status(
    url: &str,
    context: &ContextName,
) -> Result<(Target, SchemaStatus), DatabaseError> {
    let server = parse_url(url)?.application_name("sea-mq db status");
    let (mut connection, target) = open(server, CONNECT_LIMIT).await?;
    let status = schema_status(&mut connection).await;
    drop(connection.close().await);
    let status = status.map_err(|source| DatabaseError::of("read the schema's state", &target, source))?;
    match status.context.as_deref() {
        Some(found) if found != context.as_str() => Err(DatabaseError::WrongContext {
            target: target.boxed(),
            asked: context.to_string(),
            found: found.to_owned(),
        }),
        Some(_) | None => Ok((target, status)),
    }
}

async fn read_ledger(connection: &mut PgConnection) -> Result<Vec<AppliedMigration>, sqlx::Error> {
    if !exists(connection, LEDGER).await? {
        return Ok(Vec::new());
    }
    let rows: Vec<(i64, String, OffsetDateTime, Vec<u8>)> = sqlx::query_as(
        "SELECT version, description, installed_on, checksum FROM public.mq_migrations ORDER BY version",
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(version, name, applied_at, checksum)| AppliedMigration { version, name, applied_at, checksum })
        .collect())
}

async fn exists(connection: &mut PgConnection, relation: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(relation).fetch_one(connection).await
}

#[cfg(test)]
mod tests {
    use super::{AppliedMigration, compare};
    use crate::migrations::EmbeddedMigration;
    use time::OffsetDateTime;

    const ONE: EmbeddedMigration = EmbeddedMigration { version: 1, name: "one", sql: "SELECT 1" };
    const TWO: EmbeddedMigration = EmbeddedMigration { version: 2, name: "two", sql: "SELECT 2" };

    fn applied(migration: EmbeddedMigration) -> AppliedMigration {
        AppliedMigration {
            version: migration.version,
            name: migration.name.to_owned(),
            applied_at: OffsetDateTime::UNIX_EPOCH,
            checksum: migration.runnable().checksum.to_vec(),
        }
    }

    #[test]
    fn ledger_against_embedded() {
        let edited = EmbeddedMigration { sql: "SELECT 3", ..TWO };
        let unknown = EmbeddedMigration { version: 9, ..ONE };
        // ledger, pending, changed, newer
        for (ledger, pending, changed, newer) in [
            (vec![], vec![1, 2], vec![], vec![]),
            (vec![ONE], vec![2], vec![], vec![]),
            (vec![ONE, TWO], vec![], vec![], vec![]),
            (vec![ONE, edited], vec![], vec![2], vec![]),
            (vec![ONE, TWO, unknown], vec![], vec![], vec![9]),
        ] {
            let status = compare(ledger.into_iter().map(applied).collect(), &[ONE, TWO]);
            let versions = |list: &[EmbeddedMigration]| list.iter().map(|m| m.version).collect::<Vec<_>>();
            assert_eq!(
                (versions(&status.pending), versions(&status.changed), status.newer),
                (pending, changed, newer)
            );
        }
    }
}
