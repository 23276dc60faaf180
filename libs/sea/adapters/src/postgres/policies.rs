use sea_domain::{DomainError, Expression, OnViolation, Policy, PolicyDraft, PolicyMessage, PolicyName};
use sea_ports::{Page, PageRequest, PolicyStore, StoreError};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};
use time::OffsetDateTime;

use super::PostgresSea;
use super::fault::{store_error, unexpected};
use super::list::{one_more, page_of};

struct PolicyRow {
    name: String,
    version: i32,
    expression: String,
    on_violation: String,
    message: String,
    active: bool,
    created_at: OffsetDateTime,
}

impl FromRow<'_, PgRow> for PolicyRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            name: row.try_get("name")?,
            version: row.try_get("version")?,
            expression: row.try_get("expression")?,
            on_violation: row.try_get("on_violation")?,
            message: row.try_get("message")?,
            active: row.try_get("active")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

impl PolicyStore for PostgresSea {
    /// The primary key decides among several who add the same version.
    async fn add_version(&self, policy: &Policy) -> Result<Result<(), i32>, StoreError> {
        let draft = &policy.draft;
        let added = sqlx::query(
            "INSERT INTO policies (name, version, expression, on_violation, message, active, created_at)
             SELECT $1, $2, $3, $4, $5, $6, $7
             WHERE $2 = 1 + coalesce((SELECT max(version) FROM policies WHERE name = $1), 0)
             ON CONFLICT (name, version) DO NOTHING",
        )
        .bind(policy.name.as_str())
        .bind(policy.version)
        .bind(draft.expression.as_str())
        .bind(draft.on_violation.as_str())
        .bind(draft.message.as_str())
        .bind(draft.active)
        .bind(policy.created_at)
        .execute(self.pool())
        .await
        .map_err(store_error)?;
        if added.rows_affected() == 1 {
            return Ok(Ok(()));
        }
        let latest: Option<i32> = sqlx::query_scalar("SELECT max(version) FROM policies WHERE name = $1")
            .bind(policy.name.as_str())
            .fetch_one(self.pool())
            .await
            .map_err(store_error)?;
        Ok(Err(latest.unwrap_or(0)))
    }

    async fn policies(&self, page: PageRequest<PolicyName>) -> Result<Page<Policy, PolicyName>, StoreError> {
        let rows = sqlx::query_as::<_, PolicyRow>(
            "SELECT DISTINCT ON (name) name, version, expression, on_violation, message, active, created_at
             FROM policies WHERE ($1::text IS NULL OR name > $1)
             ORDER BY name, version DESC LIMIT $2",
        )
        .bind(page.after.as_ref().map(PolicyName::as_str))
        .bind(one_more(page.limit.get()))
        .fetch_all(self.pool())
        .await
        .map_err(store_error)?;
        Ok(page_of(read_all(rows)?, page.limit.get(), |policy| policy.name.clone()))
    }

    async fn versions(
        &self,
        name: &PolicyName,
        page: PageRequest<i32>,
    ) -> Result<Page<Policy, i32>, StoreError> {
        let rows = sqlx::query_as::<_, PolicyRow>(
            "SELECT name, version, expression, on_violation, message, active, created_at
             FROM policies WHERE name = $1 AND ($2::integer IS NULL OR version < $2)
             ORDER BY version DESC LIMIT $3",
        )
        .bind(name.as_str())
        .bind(page.after)
        .bind(one_more(page.limit.get()))
        .fetch_all(self.pool())
        .await
        .map_err(store_error)?;
        Ok(page_of(read_all(rows)?, page.limit.get(), |policy| policy.version))
    }

    async fn active(&self, limit: usize) -> Result<Vec<Policy>, StoreError> {
        let rows = sqlx::query_as::<_, PolicyRow>(
            "SELECT name, version, expression, on_violation, message, active, created_at
             FROM (SELECT DISTINCT ON (name) * FROM policies ORDER BY name, version DESC) latest
             WHERE active ORDER BY name LIMIT $1",
        )
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(self.pool())
        .await
        .map_err(store_error)?;
        read_all(rows)
    }
}

fn read_all(rows: Vec<PolicyRow>) -> Result<Vec<Policy>, StoreError> {
    let read = |row: PolicyRow| {
        let (name, version) = (row.name.clone(), row.version);
        policy(row).map_err(|error| unexpected(format!("policy {name} version {version} as stored: {error}")))
    };
    rows.into_iter().map(read).collect()
}

fn policy(row: PolicyRow) -> Result<Policy, DomainError> {
    Ok(Policy {
        name: PolicyName::parse(&row.name)?,
        version: row.version,
        draft: PolicyDraft {
            expression: Expression::parse(&row.expression)?,
            on_violation: OnViolation::parse(&row.on_violation)?,
            message: PolicyMessage::parse(&row.message)?,
            active: row.active,
        },
        created_at: row.created_at,
    })
}
