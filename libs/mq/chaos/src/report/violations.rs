use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::units::{Escaped, grouped};

/// More violations than this are counted on the page and told only in the JSON.
pub(super) const SHOWN: usize = 100;
/// A story is cut after this many characters on the page.
pub(super) const STORY_CHARS: usize = 4_000;

/// One broken promise, as the history checker names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViolationRecord {
    /// Which promise it breaks; what the counts of the verdict are made of.
    pub promise: Promise,
    /// The checker's kind, such as `effect twice`.
    pub kind: String,
    /// The event; `None` when it is about no single one.
    pub event: Option<Uuid>,
    /// One sentence.
    pub text: String,
    /// All that is known of the event, a line for each thing that happened to it.
    pub story: String,
}

/// What may not be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// No event is lost.
    Lost,
    /// No effect happens twice.
    Doubled,
    /// Events of one aggregate keep their order.
    OutOfOrder,
    /// Anything else that must hold: causes, letters, counts.
    Other,
}

/// The violations, each with its story behind a click, and where the whole history is kept.
pub(super) fn list(violations: &[ViolationRecord], history_file: Option<&str>) -> String {
    let kept = history_file
        .map(|file| format!("<p>The whole history is kept in <code>{}</code>.</p>\n", Escaped(file)))
        .unwrap_or_default();
    if violations.is_empty() {
        return format!("<p>None.</p>\n{kept}");
    }
    let told = violations.iter().take(SHOWN).map(item).collect::<String>();
    let more = match violations.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("<p>And {} more, told in report.json.</p>", grouped(more as u64)),
    };
    format!("{kept}{told}{more}")
}

fn item(violation: &ViolationRecord) -> String {
    let (kind, text) = (Escaped(&violation.kind), Escaped(&violation.text));
    let event = violation.event.map(|id| format!("<p>Event <code>{id}</code></p>")).unwrap_or_default();
    let story = cut(&violation.story);
    let story = Escaped(&story);
    format!(
        "<details><summary><span class=\"tag bad\">{kind}</span> {text}</summary>{event}<pre>{story}</pre></details>\n"
    )
}

fn cut(story: &str) -> String {
    match story.char_indices().nth(STORY_CHARS) {
        Some((end, _)) => format!("{}\n… cut here; report.json has the rest", &story[..end]),
        None => story.to_owned(),
    }
}
