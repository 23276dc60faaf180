use uuid::Uuid;
use vibespro_domain::{UserId, Vibe, VibeId, Violation};
use vibespro_ports::{Clock, Ids, Place, Vibes};

use crate::gather::Gather;
use crate::{AppError, UseCases, cursor};

const DEFAULT_LIMIT: i64 = 20;
const MAX_LIMIT: i64 = 100;

/// Which part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// 1 to 100, default 20.
    pub limit: Option<i64>,
    /// What the page before gave as `next_cursor`.
    pub cursor: Option<String>,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub items: Vec<Vibe>,
    /// Asks for what follows; `None` on the last page.
    pub next_cursor: Option<String>,
}

impl<S: Vibes, C: Clock, I: Ids> UseCases<S, C, I> {
    /// One vibe as it stands.
    ///
    /// # Errors
    /// [`AppError::UnknownVibe`], [`AppError::Store`].
    pub async fn vibe_summary(&self, vibe_id: Uuid) -> Result<Vibe, AppError> {
        let vibe_id = VibeId(vibe_id);
        self.store.find(vibe_id).await?.ok_or(AppError::UnknownVibe(vibe_id))
    }

    /// A user's vibes, newest first. What is created while somebody pages comes before the first
    /// page: nothing is seen twice or left out.
    ///
    /// # Errors
    /// [`AppError::Invalid`], [`AppError::UnknownUser`], [`AppError::Store`].
    pub async fn vibes_of_user(&self, user_id: String, request: PageRequest) -> Result<Page, AppError> {
        let mut gather = Gather::default();
        let limit = gather.check(check_limit(request.limit));
        let after = gather.check_some(request.cursor.as_deref().map(cursor::parse));
        let limit = gather.done(limit)?;
        // Nobody can have registered with an id that is none.
        let Ok(user) = UserId::parse(&user_id) else { return Err(AppError::UnknownUser(user_id)) };
        // One more than asked for tells whether there is a next page.
        let found = self.store.page(&user, limit + 1, after).await?;
        Ok(page(found.ok_or(AppError::UnknownUser(user_id))?, limit))
    }
}

fn check_limit(limit: Option<i64>) -> Result<usize, Violation> {
    match limit.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit as usize),
        limit => Err(Violation::new("limit", format!("is {limit}; use 1 to {MAX_LIMIT}"))),
    }
}

fn page(mut items: Vec<Vibe>, limit: usize) -> Page {
    let more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().filter(|_| more);
    let next_cursor =
        last.map(|vibe| cursor::to_text(Place { created_at: vibe.created_at, vibe_id: vibe.vibe_id }));
    Page { items, next_cursor }
}
