//! The grammar of broker names, as far as a worker may be told to use them.

use sea_mq_event::ContextName;

/// Longest name of a stream or durable, in bytes.
const NAME_MAX: usize = 128;

/// Longest filter or prefix, in bytes.
const SUBJECT_MAX: usize = 200;

/// What is wrong with the name of a stream, durable or domain.
pub(crate) fn name_problem(text: &str) -> Option<String> {
    let fits = (1..=NAME_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    (!fits).then(|| format!("use 1 to {NAME_MAX} characters of A-Z, a-z, 0-9, `_` and `-`"))
}

/// What is wrong with the subject that a durable filters by.
pub(crate) fn filter_problem(text: &str) -> Option<String> {
    let tokens: Vec<&str> = text.split('.').collect();
    let last = tokens.len() - 1;
    let ok = |(i, token): (usize, &&str)| match *token {
        ">" => i == last,
        "*" => true,
        literal => is_literal(literal),
    };
    if text.len() > SUBJECT_MAX || !tokens.iter().enumerate().all(ok) {
        return Some(
            "use tokens joined by `.`, with `*` for one or a final `>` for the rest, \
         such as vibespro.event.>"
                .to_owned(),
        );
    }
    context_of_subject(text).is_none().then(|| {
        "begin with the name of the context whose events these are, such as \
         vibespro.event.>"
            .to_owned()
    })
}

/// What is wrong with a prefix of subjects that `context` publishes under.
/// Without a context only the form is judged.
pub(crate) fn prefix_problem(text: &str, context: Option<&ContextName>) -> Option<String> {
    let body = text.strip_suffix('.').unwrap_or_default();
    if text.len() > SUBJECT_MAX || !body.split('.').all(is_literal) {
        return Some("use tokens joined by `.` and end with `.`, without wildcards".to_owned());
    }
    let own = format!("{}.", context?);
    (!text.starts_with(&own)).then(|| format!("begin with {own}, the context's own name"))
}

/// The context that a subject names by its first token.
pub(crate) fn context_of_subject(subject: &str) -> Option<ContextName> {
    ContextName::parse(subject.split('.').next()?).ok()
}

/// `vibespro` for `VIBESPRO_EVENTS`.
pub(crate) fn context_of_stream(stream: &str) -> Option<ContextName> {
    let name = stream.strip_suffix("_EVENTS")?;
    let context = ContextName::parse(&name.to_ascii_lowercase()).ok()?;
    (context.event_stream() == stream).then_some(context)
}

fn is_literal(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use sea_mq_event::ContextName;

    use super::{context_of_stream, filter_problem, name_problem, prefix_problem};

    #[test]
    fn names() {
        for (text, good) in [
            ("SEA_EVENTS", true),
            ("sea__from_vibespro", true),
            ("", false),
            ("a.b", false),
            ("a b", false),
            ("a>", false),
        ] {
            assert_eq!(name_problem(text).is_none(), good, "{text}");
        }
    }

    #[test]
    fn filters() {
        for (text, good) in [
            ("vibespro.event.>", true),
            ("vibespro.event.*.v1", true),
            ("vibespro.event.vibe_created.v1", true),
            (">", false),
            ("*.event.>", false),
            ("vibespro.>.v1", false),
            ("vibespro..v1", false),
            ("vibespro.event.", false),
            ("Vibespro.event.>", false),
            ("vibespro.event. x", false),
            ("", false),
        ] {
            assert_eq!(filter_problem(text).is_none(), good, "{text}");
        }
    }

    #[test]
    fn prefixes() {
        let sea = ContextName::parse("sea").unwrap();
        for (text, good) in [
            ("sea.event.", true),
            ("sea.", true),
            ("sea.event", false),
            ("sea.event.>", false),
            ("vibespro.event.", false),
            (".", false),
            ("", false),
        ] {
            assert_eq!(prefix_problem(text, Some(&sea)).is_none(), good, "{text}");
        }
    }

    #[test]
    fn stream_to_context() {
        assert_eq!(context_of_stream("CASE_MGMT_EVENTS").unwrap().as_str(), "case_mgmt");
        for other in ["EVENTS", "_EVENTS", "vibespro_EVENTS", "VIBESPRO", "VIBESPRO_DLQ"] {
            assert!(context_of_stream(other).is_none(), "{other}");
        }
    }
}
