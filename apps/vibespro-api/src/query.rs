use vibespro_public_api::PageRequest;

use crate::problem::Problem;

/// `limit` and `cursor` of a query string; what else stands there is refused, so that a misspelt
/// name is not taken for the first page.
pub(crate) fn page_request(query: Option<&str>) -> Result<PageRequest, Problem> {
    let mut page = PageRequest::default();
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "limit" => page.limit = Some(limit(value)?),
            "cursor" => page.cursor = Some(value.to_owned()),
            other => return Err(Problem::invalid(other, "is not known; use limit and cursor")),
        }
    }
    Ok(page)
}

fn limit(value: &str) -> Result<i64, Problem> {
    value.parse().map_err(|_not_a_number| Problem::invalid("limit", "is not a whole number; use 1 to 100"))
}
