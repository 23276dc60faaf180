use sea_domain::{CaseId, CaseState, CaseTitle, DomainError, VibeRef};
use sea_ports::{CaseFilter, CasePosition, CaseSummary, Page, PageRequest, StoreError};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgPool, Row as _};

use super::fault::{store_error, unexpected};
use super::rows::CaseRow;

struct SummaryRow {
    case: CaseRow,
    open_tasks: i64,
}

impl FromRow<'_, PgRow> for SummaryRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { case: CaseRow::from_row(row)?, open_tasks: row.try_get("open_tasks")? })
    }
}

/// Newest first. The place decides, not a count of rows: what is opened meanwhile moves nothing.
pub(super) async fn cases(
    pool: &PgPool,
    filter: &CaseFilter,
    page: PageRequest<CasePosition>,
) -> Result<Page<CaseSummary, CasePosition>, StoreError> {
    let rows = sqlx::query_as::<_, SummaryRow>(
        "SELECT c.case_id, c.title, c.vibe_id, c.state, c.opened_at, c.revision,
                (SELECT count(*) FROM tasks t WHERE t.case_id = c.case_id AND t.state = 'open') AS open_tasks
         FROM cases c
         WHERE ($1::text IS NULL OR c.state = $1)
           AND ($2::text IS NULL OR c.vibe_id = $2)
           AND ($3::timestamptz IS NULL OR (c.opened_at, c.case_id) < ($3, $4))
         ORDER BY c.opened_at DESC, c.case_id DESC
         LIMIT $5",
    )
    .bind(filter.state.map(CaseState::as_str))
    .bind(filter.vibe_id.as_ref().map(VibeRef::as_str))
    .bind(page.after.map(|place| place.opened_at))
    .bind(page.after.map(|place| place.case_id.0))
    .bind(one_more(page.limit.get()))
    .fetch_all(pool)
    .await
    .map_err(store_error)?;
    let items = rows.into_iter().map(summary).collect::<Result<Vec<_>, _>>()?;
    let place = |case: &CaseSummary| CasePosition { opened_at: case.opened_at, case_id: case.case_id };
    Ok(page_of(items, page.limit.get(), place))
}

fn summary(row: SummaryRow) -> Result<CaseSummary, StoreError> {
    let case_id = row.case.case_id;
    let read = |row: SummaryRow| -> Result<CaseSummary, DomainError> {
        Ok(CaseSummary {
            case_id: CaseId(row.case.case_id),
            title: CaseTitle::parse(&row.case.title)?,
            vibe_id: row.case.vibe_id.as_deref().map(VibeRef::parse).transpose()?,
            state: CaseState::parse(&row.case.state)?,
            open_tasks: usize::try_from(row.open_tasks).unwrap_or(0),
            opened_at: row.case.opened_at,
            revision: row.case.revision,
        })
    };
    read(row).map_err(|error| unexpected(format!("case {case_id} as it is stored: {error}")))
}

/// How many rows to ask for, so that it is seen whether another page follows.
pub(super) fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).map_or(i64::MAX, |limit| limit.saturating_add(1))
}

/// The page of rows that were asked for by [`one_more`].
pub(super) fn page_of<T, P>(mut items: Vec<T>, limit: usize, place: impl Fn(&T) -> P) -> Page<T, P> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(place);
    Page { items, next }
}

#[cfg(test)]
mod tests {
    use super::page_of;

    #[test]
    fn a_next_page_is_announced_only_when_there_is_one() {
        for (rows, kept, next) in [(0, 0, None), (2, 2, None), (3, 2, Some(1))] {
            let page = page_of((0..rows).collect(), 2, |item| *item);
            assert_eq!((page.items.len(), page.next), (kept, next), "{rows}");
        }
    }
}
