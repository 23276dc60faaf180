//! What vibespro-api's answers mean to SEA. Pure.

use hyper::StatusCode;
use sea_ports::CapabilityError;
use serde::Deserialize;

const PROBLEM: &str = "urn:vibespro:problem:";
const LONGEST_EXCERPT: usize = 200;

/// What is read of a problem document; the rest may be anything.
#[derive(Debug, Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    detail: String,
    current_revision: Option<i64>,
}

/// What an answer that is no success says. `asked` names the request, for people.
pub(super) fn refusal(asked: &str, status: StatusCode, body: &[u8]) -> CapabilityError {
    let problem = serde_json::from_slice::<Problem>(body).ok();
    let code = problem.as_ref().and_then(|problem| problem.kind.strip_prefix(PROBLEM)).unwrap_or_default();
    match (code, &problem) {
        ("unknown_vibe", Some(_)) => CapabilityError::NotFound,
        ("stale_revision", Some(Problem { current_revision: Some(current), .. })) => {
            CapabilityError::Stale { current: *current }
        }
        ("invalid_input" | "invalid_json" | "unknown_user", Some(problem)) => {
            CapabilityError::Invalid(problem.detail.clone())
        }
        (_of_no_use_to_sea, _) => unexpected(asked, status, body),
    }
}

fn unexpected(asked: &str, status: StatusCode, body: &[u8]) -> CapabilityError {
    let text =
        String::from_utf8_lossy(&body[..body.len().min(LONGEST_EXCERPT)]).replace(char::is_control, " ");
    let doing = format!("{asked} was answered {status}: {text}");
    CapabilityError::Unavailable { doing, source: None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::refusal;
    use hyper::StatusCode;
    use sea_ports::CapabilityError;
    use serde_json::json;

    fn meant(status: u16, body: &serde_json::Value) -> &'static str {
        match refusal("GET /", StatusCode::from_u16(status).unwrap(), body.to_string().as_bytes()) {
            CapabilityError::NotFound => "not found",
            CapabilityError::Stale { current: 7 } => "stale",
            CapabilityError::Invalid(detail) if detail == "say it otherwise" => "invalid",
            CapabilityError::Unavailable { .. } => "unavailable",
            CapabilityError::Stale { .. } | CapabilityError::Invalid(_) => "wrong detail",
        }
    }

    #[test]
    fn answers_mean_what_their_code_says() {
        let problem = |code: &str| json!({"type": format!("urn:vibespro:problem:{code}"), "detail": "say it otherwise", "current_revision": 7});
        for (status, body, wanted) in [
            (404, problem("unknown_vibe"), "not found"),
            (409, problem("stale_revision"), "stale"),
            (422, problem("invalid_input"), "invalid"),
            (422, problem("unknown_user"), "invalid"),
            (400, problem("invalid_json"), "invalid"),
            (503, problem("unavailable"), "unavailable"),
            (500, problem("internal"), "unavailable"),
            // A wrong address: some server, but no vibespro.
            (404, json!("no such page"), "unavailable"),
            (404, problem("not_found"), "unavailable"),
            (409, json!({"type": "urn:vibespro:problem:stale_revision"}), "unavailable"),
        ] {
            assert_eq!(meant(status, &body), wanted, "{status} {body}");
        }
    }
}
