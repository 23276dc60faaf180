//! What is expected of an answer and its message, and whether it came so: pure.

use std::fmt;

/// Whether a rule is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Passed,
    /// It is not: what came instead.
    Failed(String),
    /// It cannot be judged, or does not concern this handler: why.
    NotApplicable(String),
}

impl Verdict {
    /// Passed when there is nothing to complain about.
    pub(crate) fn of(complaints: &[String]) -> Self {
        if complaints.is_empty() { Self::Passed } else { Self::Failed(complaints.join("; ")) }
    }

    /// What was done for the rule did not come to the moment that it is about: it may not be kept.
    pub(crate) fn if_reached(self, reached: bool) -> Self {
        match self {
            Self::Passed if !reached => Self::NotApplicable(NOT_REACHED.to_owned()),
            Self::Passed | Self::Failed(_) | Self::NotApplicable(_) => self,
        }
    }

    pub(crate) fn passed_if(holds: bool, came: impl FnOnce() -> String) -> Self {
        if holds { Self::Passed } else { Self::Failed(came()) }
    }
}

const NOT_REACHED: &str = "the calls took too long to reach the event's mark, where they were waited for: try again on a quicker machine";

/// An answer that came whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) body: String,
    /// The handler closes the connection after it.
    pub(crate) closes: bool,
}

/// An answer, or why there was none.
pub(crate) type Came = Result<Answer, String>;

/// For messages: what came.
pub(crate) fn told(came: &Came) -> String {
    match came {
        Ok(answer) => match brief(&answer.body) {
            text if text.is_empty() => format!("{}", answer.code),
            text => format!("{} `{text}`", answer.code),
        },
        Err(why) => format!("no answer ({why})"),
    }
}

/// The beginning of a text in one line.
fn brief(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    line.trim().to_owned()
}

/// Which answers keep a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    Done,
    Later,
    DoneOrLater,
    /// Of two that cannot both succeed: nothing that settles the event or blames it.
    DoneOrFailed,
    NotHandled,
    Poison,
    /// Processed or refused for what it says, not for its size.
    SuccessOrPoison,
    BadCall,
    BadBatch,
    Refused,
}

impl Status {
    pub(crate) fn accepts(self, code: u16) -> bool {
        let success = (200..300).contains(&code);
        match self {
            Self::Success => success,
            Self::Done => code == 409,
            Self::Later => code == 503,
            Self::DoneOrLater => matches!(code, 409 | 503),
            Self::DoneOrFailed => matches!(code, 409 | 500..=599),
            Self::NotHandled => matches!(code, 404 | 503),
            Self::Poison => code == 422,
            Self::SuccessOrPoison => success || code == 422,
            Self::BadCall => (400..500).contains(&code) && !matches!(code, 401 | 409 | 422),
            Self::BadBatch => matches!(code, 400 | 413),
            Self::Refused => code == 401,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Success => "2xx",
            Self::Done => "409",
            Self::Later => "503",
            Self::DoneOrLater => "409 or 503",
            Self::DoneOrFailed => "409 or 5xx",
            Self::NotHandled => "404 or 503",
            Self::Poison => "422",
            Self::SuccessOrPoison => "2xx or 422",
            Self::BadCall => "4xx for a call that is none",
            Self::BadBatch => "400 or 413",
            Self::Refused => "401",
        })
    }
}

/// What is to be found in the database afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Marked processed, with all effects once.
    Processed,
    /// Marked processed by another, without any effect of this handler.
    Settled,
    /// As it was recorded, without any effect.
    Untouched,
    /// The one or the other, and the effects accordingly.
    Either,
}

/// A message as it is found in inbox and outbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// State and fence, when the inbox knows it.
    pub(crate) row: Option<(String, i64)>,
    /// Events in the outbox that it caused.
    pub(crate) emitted: usize,
    /// One of them came in a later transaction than the mark.
    pub(crate) acted_after: bool,
}

/// The measure for what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Measure {
    /// Events that one processing emits.
    pub(crate) once: usize,
    /// The handler marks what it has processed.
    pub(crate) marks: bool,
}

/// What is wrong with an answer.
pub(crate) fn of_answer(expected: Status, came: &Came) -> Option<String> {
    let accepted = came.as_ref().is_ok_and(|answer| expected.accepts(answer.code));
    (!accepted).then(|| format!("{} instead of {expected}", told(came)))
}

/// What is wrong with a message of which the attempt with `fence` is current.
pub(crate) fn of_message(expected: After, found: &Found, fence: i64, measure: Measure) -> Option<String> {
    let processed = found.row.as_ref().is_some_and(|(state, _)| state == "processed");
    let done = match expected {
        After::Processed | After::Settled => true,
        After::Untouched => false,
        After::Either if measure.marks => processed,
        // Nothing tells which of the two it is.
        After::Either => return None,
    };
    if measure.marks && done != processed {
        return Some(standing(found, done));
    }
    if !done && found.row.as_ref().is_some_and(|(_, now)| *now != fence) {
        return Some(format!(
            "the inbox row's fence was changed to {}",
            found.row.as_ref().map_or(0, |r| r.1)
        ));
    }
    let due = if done && expected != After::Settled { measure.once } else { 0 };
    if found.emitted != due {
        return Some(format!("{} emitted events instead of {due}", found.emitted));
    }
    (measure.marks && processed && found.acted_after).then(|| MARKED_FIRST.to_owned())
}

const MARKED_FIRST: &str = "it was marked processed in an earlier transaction than the one it emitted in: what a \
                            handler does not come to after its mark never happens";

fn standing(found: &Found, done: bool) -> String {
    let state = found.row.as_ref().map_or("absent", |(state, _)| state);
    if done {
        format!("the inbox row is `{state}`: the handler did not mark it processed")
    } else {
        format!("the inbox row is `{state}`: it must be left as it was")
    }
}

#[cfg(test)]
mod tests {
    use super::{After, Answer, Found, Measure, Status, Verdict, of_answer, of_message};

    const ONE: Measure = Measure { once: 1, marks: true };

    fn found(state: &str, fence: i64, emitted: usize) -> Found {
        Found { row: Some((state.to_owned(), fence)), emitted, acted_after: false }
    }

    #[test]
    fn each_status_accepts_its_codes() {
        for (status, good, bad) in [
            (Status::Success, &[200, 204, 299][..], &[199, 300, 409, 500][..]),
            (Status::Done, &[409], &[200, 503]),
            (Status::Later, &[503], &[200, 409, 422, 500, 404]),
            (Status::DoneOrLater, &[409, 503], &[200, 500]),
            (Status::DoneOrFailed, &[409, 500, 503, 504], &[200, 422, 404]),
            (Status::NotHandled, &[404, 503], &[200, 409, 422, 500]),
            (Status::Poison, &[422], &[400, 200]),
            (Status::SuccessOrPoison, &[200, 422], &[413, 400, 500]),
            (Status::BadCall, &[400, 404, 413, 415], &[409, 422, 401, 500, 200]),
            (Status::BadBatch, &[400, 413], &[200, 422, 404]),
            (Status::Refused, &[401], &[403, 200, 400]),
        ] {
            let answer = |code| Ok(Answer { code, body: String::new(), closes: false });
            assert!(good.iter().all(|code| of_answer(status, &answer(*code)).is_none()), "{status}");
            assert!(bad.iter().all(|code| of_answer(status, &answer(*code)).is_some()), "{status}");
            assert!(of_answer(status, &Err("reset".to_owned())).is_some(), "{status}");
        }
    }

    #[test]
    fn a_message_is_processed_once_or_left_alone() {
        for (expected, given, good) in [
            (After::Processed, found("processed", 1, 1), true),
            (After::Processed, found("running", 1, 1), false),
            (After::Processed, found("processed", 1, 2), false),
            (After::Processed, Found::default(), false),
            (After::Settled, found("processed", 1, 0), true),
            (After::Settled, found("processed", 1, 1), false),
            (After::Untouched, found("running", 1, 0), true),
            (After::Untouched, found("running", 2, 0), false),
            (After::Untouched, found("running", 1, 1), false),
            (After::Untouched, found("processed", 1, 0), false),
            (After::Untouched, Found::default(), true),
            (After::Either, found("processed", 1, 1), true),
            (After::Either, found("running", 1, 0), true),
            (After::Either, found("running", 1, 1), false),
        ] {
            assert_eq!(of_message(expected, &given, 1, ONE).is_none(), good, "{expected:?} {given:?}");
        }
        let unmarked = Measure { marks: false, ..ONE };
        for expected in [After::Processed, After::Either] {
            assert_eq!(of_message(expected, &found("running", 1, 1), 1, unmarked), None);
        }
    }

    #[test]
    fn what_is_marked_before_it_acts_is_lost_in_between() {
        let marked_first = Found { acted_after: true, ..found("processed", 1, 1) };
        for expected in [After::Processed, After::Either] {
            assert!(of_message(expected, &marked_first, 1, ONE).is_some_and(|it| it.contains("earlier")));
            assert_eq!(of_message(expected, &marked_first, 1, Measure { marks: false, ..ONE }), None);
        }
        // The event's start is no mark.
        let started = Found { acted_after: true, ..found("running", 1, 0) };
        assert_eq!(of_message(After::Untouched, &started, 1, ONE), None);
    }

    #[test]
    fn what_did_not_come_to_its_moment_is_not_passed() {
        let failed = || Verdict::Failed("a".to_owned());
        assert_eq!(
            (Verdict::Passed.if_reached(true), failed().if_reached(false)),
            (Verdict::Passed, failed())
        );
        assert!(matches!(Verdict::Passed.if_reached(false), Verdict::NotApplicable(_)));
    }

    #[test]
    fn complaints_are_told() {
        assert_eq!(Verdict::of(&[]), Verdict::Passed);
        let Verdict::Failed(text) = Verdict::of(&["a".to_owned(), "b".to_owned()]) else { panic!("passed") };
        assert_eq!(text, "a; b");
    }
}
