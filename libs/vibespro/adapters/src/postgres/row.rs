use sqlx::Row;
use sqlx::postgres::PgRow;
use time::OffsetDateTime;
use uuid::Uuid;
use vibespro_domain::{
    Decision, Description, Outcome, Revision, Score, Title, UserId, Vibe, VibeId, Violation,
};
use vibespro_ports::StoreError;

use super::fault::unexpected;

/// A row of `vibes` as it is stored.
struct VibeRow {
    vibe_id: Uuid,
    user_id: String,
    title: String,
    description: String,
    revision: i64,
    score: Option<i16>,
    decision_outcome: Option<String>,
    decision_reason: Option<String>,
    decision_case_id: Option<Uuid>,
    decided_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl VibeRow {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            vibe_id: row.try_get("vibe_id")?,
            user_id: row.try_get("user_id")?,
            title: row.try_get("title")?,
            description: row.try_get("description")?,
            revision: row.try_get("revision")?,
            score: row.try_get("score")?,
            decision_outcome: row.try_get("decision_outcome")?,
            decision_reason: row.try_get("decision_reason")?,
            decision_case_id: row.try_get("decision_case_id")?,
            decided_at: row.try_get("decided_at")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }

    fn decision(&self) -> Result<Option<Decision>, Violation> {
        let Some((outcome, decided_at)) = self.decision_outcome.as_deref().zip(self.decided_at) else {
            return Ok(None);
        };
        let unknown = || Violation::new("decision_outcome", format!("is `{outcome}`"));
        Ok(Some(Decision {
            outcome: Outcome::parse(outcome).ok_or_else(unknown)?,
            reason: self.decision_reason.clone(),
            case_id: self.decision_case_id,
            decided_at,
        }))
    }
}

impl TryFrom<VibeRow> for Vibe {
    type Error = Violation;

    fn try_from(row: VibeRow) -> Result<Self, Violation> {
        Ok(Self {
            vibe_id: VibeId(row.vibe_id),
            user_id: UserId::parse(&row.user_id)?,
            title: Title::parse(&row.title)?,
            description: Description::parse(&row.description)?,
            revision: Revision::parse(row.revision)?,
            score: row.score.map(|score| Score::parse(score.into())).transpose()?,
            decision: row.decision()?,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// The vibe that a row of `vibes` stands for.
pub(super) fn vibe(doing: &'static str, row: &PgRow) -> Result<Vibe, StoreError> {
    let row = VibeRow::read(row).map_err(|error| unexpected(doing, &error))?;
    let vibe_id = row.vibe_id;
    Vibe::try_from(row).map_err(|error| unexpected(doing, &format!("the row of vibe {vibe_id}: {error}")))
}
