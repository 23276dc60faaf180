use super::gate::Gate;

/// What the handler does with one call.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Does its effect, and answers 200, or what the inbox functions demand.
    Handle,
    /// The same, but waits at the gate inside the open transaction.
    HandleHolding(Hold, Gate),
    /// Does its effect and commits, then waits at the gate before it answers.
    HandleThenHang(Gate),
    /// Waits at the gate first, then does its effect.
    HangThenHandle(Gate),
    /// Does nothing but answer with this status.
    Status(u16),
    /// The same, with a `Retry-After` in seconds.
    RetryAfter(u16, u64),
    /// Breaks the connection without an answer, and does nothing.
    Reset,
    /// Does its effect, then breaks the connection without an answer.
    HandleThenReset,
    /// Begins an answer of 200 and breaks the connection within it; does nothing.
    CutOff,
    /// Dies: every connection of the handler breaks. It listens on, as if restarted.
    Die,
}

/// Where a transaction is held open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// After the effect, before `inbox_complete`.
    BeforeMark,
    /// After `inbox_complete`, before the commit.
    BeforeCommit,
}

impl Answer {
    /// The answer for this attempt: the list's entries for the first attempts, then the last for all
    /// later ones; an empty list handles.
    #[must_use]
    pub fn by_attempt(attempt: i32, answers: &[Answer]) -> Answer {
        let at = usize::try_from(attempt.max(1)).unwrap_or(1) - 1;
        answers.get(at).or(answers.last()).cloned().unwrap_or(Answer::Handle)
    }

    pub(super) fn settles_without_effect(&self) -> bool {
        match self {
            Self::Status(code) | Self::RetryAfter(code, _) => matches!(code, 200..=299 | 409),
            Self::Handle
            | Self::HandleHolding(..)
            | Self::HandleThenHang(_)
            | Self::HangThenHandle(_)
            | Self::Reset
            | Self::HandleThenReset
            | Self::CutOff
            | Self::Die => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Answer;

    #[test]
    fn the_last_answer_stays() {
        let script = [Answer::Status(500), Answer::Status(502)];
        for (attempt, code) in [(0, 500), (1, 500), (2, 502), (9, 502)] {
            let answer = Answer::by_attempt(attempt, &script);
            assert!(matches!(answer, Answer::Status(have) if have == code), "{attempt}: {answer:?}");
        }
        assert!(matches!(Answer::by_attempt(1, &[]), Answer::Handle));
    }
}
