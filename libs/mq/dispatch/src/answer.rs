use std::time::Duration;

/// What came back from the handler, or did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A whole response.
    Status {
        /// HTTP status.
        code: u16,
        /// `Retry-After`, from now.
        retry_after: Option<Duration>,
        /// The beginning of the body.
        body: String,
    },
    /// No connection was made (refused, DNS, connect timeout): the handler never saw the event.
    NeverConnected(String),
    /// No whole answer within the handler's time.
    TimedOut(Duration),
    /// The connection broke after the request was sent, or the answer was cut off.
    CutOff(String),
}

/// What an answer means for the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its effects are in place.
    Processed,
    /// The handler will never take it.
    Poison(String),
    /// To be tried again.
    Transient {
        /// What went wrong.
        error: String,
        /// How long the handler asks to wait; slow down as well.
        wait: Option<Duration>,
        /// It may have killed its handler: call it alone next time.
        suspect: bool,
    },
    /// The handler is down: this was no attempt.
    NotReached(String),
}

/// What each answer means.
#[must_use]
pub fn outcome(answer: &Answer) -> Outcome {
    match answer {
        Answer::Status { code, retry_after, body } => status_outcome(*code, *retry_after, body),
        Answer::NeverConnected(why) => Outcome::NotReached(printable(why)),
        Answer::TimedOut(limit) => {
            transient(format!("no answer within {} s", limit.as_secs_f32()), None, false)
        }
        Answer::CutOff(why) => {
            transient(format!("the connection broke after the request: {}", printable(why)), None, true)
        }
    }
}

fn status_outcome(code: u16, retry_after: Option<Duration>, body: &str) -> Outcome {
    let error = format!("handler answered {code}: {}", printable(body));
    match code {
        200..=299 | 409 => Outcome::Processed,
        422 => Outcome::Poison(error),
        429 | 503 => transient(error, retry_after, false),
        0..=199 | 300..=408 | 410..=421 | 423..=428 | 430..=502 | 504.. => transient(error, None, false),
    }
}

fn transient(error: String, wait: Option<Duration>, suspect: bool) -> Outcome {
    Outcome::Transient { error, wait, suspect }
}

/// At most 900 bytes, without control characters: it becomes a header and a log field.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(900));
    for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if out.len() + c.len_utf8() > 900 {
            break;
        }
        out.push(c);
    }
    out.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Answer, Outcome, outcome, printable};

    fn status(code: u16, retry_after: Option<u64>) -> Outcome {
        outcome(&Answer::Status {
            code,
            retry_after: retry_after.map(Duration::from_secs),
            body: "why".to_owned(),
        })
    }

    #[test]
    fn every_row_of_the_answer_table() {
        for code in [200, 201, 202, 204, 299, 409] {
            assert_eq!(status(code, None), Outcome::Processed, "{code}");
        }
        assert!(matches!(status(422, None), Outcome::Poison(e) if e.contains("422") && e.contains("why")));
        for code in [429, 503] {
            let wait = Some(Duration::from_secs(7));
            assert!(
                matches!(status(code, Some(7)), Outcome::Transient { wait: w, suspect: false, .. } if w == wait)
            );
            assert!(matches!(status(code, None), Outcome::Transient { wait: None, .. }));
        }
        for code in [100, 301, 302, 304, 400, 401, 403, 404, 405, 408, 410, 413, 425, 500, 501, 502, 504, 599]
        {
            let got = status(code, Some(7));
            assert!(matches!(got, Outcome::Transient { wait: None, suspect: false, .. }), "{code}: {got:?}");
        }
    }

    #[test]
    fn what_is_not_an_answer() {
        assert!(matches!(outcome(&Answer::NeverConnected("refused".into())), Outcome::NotReached(_)));
        let timed_out = outcome(&Answer::TimedOut(Duration::from_secs(30)));
        assert!(matches!(timed_out, Outcome::Transient { wait: None, suspect: false, .. }));
        let cut = outcome(&Answer::CutOff("reset".into()));
        assert!(matches!(cut, Outcome::Transient { wait: None, suspect: true, .. }));
    }

    #[test]
    fn errors_become_printable_and_bounded() {
        assert_eq!(printable("a\r\nb\0c"), "a  b c");
        assert!(printable(&"é".repeat(2000)).len() <= 900);
    }

    proptest::proptest! {
        #[test]
        fn every_status_has_a_meaning(code: u16, body in ".{0,40}") {
            let _ = outcome(&Answer::Status { code, retry_after: None, body });
        }
    }
}
