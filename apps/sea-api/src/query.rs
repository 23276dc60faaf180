use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use sea_public_api::{CaseQuery, PageQuery};
use serde::Deserialize;

use crate::problem::Problem;

/// What lists are asked with; each as text, so that a refusal can name it.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    limit: Option<String>,
    cursor: Option<String>,
    state: Option<String>,
    vibe_id: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<Self>::from_request_parts(parts, state).await;
        let refused = |refused: QueryRejection| Problem::invalid("query", refused.body_text());
        query.map(|Query(asked)| asked).map_err(refused)
    }
}

impl Asked {
    pub(crate) fn page(self) -> Result<PageQuery, Problem> {
        let number = |limit: String| {
            let problem =
                format!("`{}` is no number from 1 to 100", limit.chars().take(20).collect::<String>());
            limit.parse().map_err(|_no_number| Problem::invalid("limit", problem))
        };
        Ok(PageQuery { limit: self.limit.map(number).transpose()?, cursor: self.cursor })
    }

    pub(crate) fn cases(mut self) -> Result<CaseQuery, Problem> {
        let (state, vibe_id) = (self.state.take(), self.vibe_id.take());
        Ok(CaseQuery { state, vibe_id, page: self.page()? })
    }
}
