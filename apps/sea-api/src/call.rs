use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use sea_public_api::CallContext;
use uuid::Uuid;

use crate::problem::Problem;

const KEY: &str = "Idempotency-Key";
const CORRELATION: &str = "X-Correlation-Id";
const TRACEPARENT: &str = "traceparent";

/// What the headers say about a command.
pub(crate) struct Call(pub(crate) CallContext);

impl<S: Send + Sync> FromRequestParts<S> for Call {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let key = text(&parts.headers, KEY)?;
        let correlation = text(&parts.headers, CORRELATION)?.map(|id| correlation_id(&id)).transpose()?;
        // A trace that cannot be understood starts anew, as its specification has it.
        let traceparent =
            text(&parts.headers, TRACEPARENT).ok().flatten().filter(|trace| is_traceparent(trace));
        Ok(Self(CallContext { idempotency_key: key, correlation_id: correlation, traceparent }))
    }
}

fn text(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(Problem::invalid(name, "is there twice; send it once")),
        (Some(value), None) => match value.to_str() {
            Ok(value) => Ok(Some(value.to_owned())),
            Err(_not_ascii) => Err(Problem::invalid(name, "needs visible ASCII characters")),
        },
    }
}

fn correlation_id(id: &str) -> Result<Uuid, Problem> {
    Uuid::parse_str(id).map_err(|_no_uuid| Problem::invalid(CORRELATION, "is not a UUID"))
}

/// `00-{32 hex}-{16 hex}-{2 hex}`, lower case, ids that are not all zeroes.
fn is_traceparent(text: &str) -> bool {
    let hex = |part: &str, length: usize| {
        part.len() == length
            && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let some = |part: &str| part.bytes().any(|byte| byte != b'0');
    match text.split('-').collect::<Vec<_>>().as_slice() {
        &[version, trace, parent, flags] => {
            version == "00"
                && hex(trace, 32)
                && some(trace)
                && hex(parent, 16)
                && some(parent)
                && hex(flags, 2)
        }
        _of_another_form => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_traceparent;

    #[test]
    fn only_whole_traceparents_travel() {
        for (text, ok) in [
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", false),
            ("", false),
        ] {
            assert_eq!(is_traceparent(text), ok, "{text}");
        }
    }
}
