//! The text that arms failpoints.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What an armed failpoint does when it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Kill the own process with SIGKILL.
    Crash,
    /// Let the operation fail here, as the place in the source says.
    Error,
    /// Let this one operation wait; everything else in the process goes on.
    Delay(Duration),
    /// Stop the own process with SIGSTOP, until somebody sends SIGCONT.
    Freeze,
}

/// One step: what to do where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The failpoint's name.
    pub name: String,
    /// Act at this visit, counted from when the step is armed; 0 = at every visit.
    pub at_visit: u32,
    /// What to do.
    pub action: Action,
}

/// Steps one after the other: each is armed once the one before it has acted.
#[derive(Debug)]
pub(crate) struct Sequence {
    steps: Vec<Step>,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    /// The armed step.
    step: usize,
    /// How often its failpoint was reached since.
    visits: u32,
}

impl Sequence {
    pub(crate) fn new(steps: Vec<Step>) -> Self {
        Self { steps, progress: Mutex::default() }
    }

    /// What is to be done at this visit of a failpoint; arms the next step.
    pub(crate) fn reached(&self, name: &str) -> Option<Action> {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let step = self.steps.get(progress.step).filter(|step| step.name == name)?;
        progress.visits += 1;
        if step.at_visit != 0 && step.at_visit != progress.visits {
            return None;
        }
        if progress.step + 1 < self.steps.len() {
            *progress = Progress { step: progress.step + 1, visits: 0 };
        }
        Some(step.action)
    }
}

/// Reads one item: steps `name=[N*]action` joined by `>`, where the action is `crash`, `error`,
/// `delay(ms)` or `freeze`. `None` when it cannot be read.
#[must_use]
pub fn parse(item: &str) -> Option<Vec<Step>> {
    item.split('>').map(parse_step).collect()
}

fn parse_step(text: &str) -> Option<Step> {
    let (name, what) = text.split_once('=')?;
    let (at_visit, what) = match what.split_once('*') {
        Some((n, rest)) => (n.trim().parse().ok()?, rest),
        None => (0, what),
    };
    let action = match what.trim() {
        "crash" => Action::Crash,
        "error" => Action::Error,
        "freeze" => Action::Freeze,
        delay => {
            let ms = delay.strip_prefix("delay(")?.strip_suffix(')')?;
            Action::Delay(Duration::from_millis(ms.trim().parse().ok()?))
        }
    };
    let name = Some(name.trim()).filter(|name| !name.is_empty())?;
    Some(Step { name: name.to_owned(), at_visit, action })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::{Action, Sequence, Step, parse};

    fn step(name: &str, at_visit: u32, action: Action) -> Step {
        Step { name: name.to_owned(), at_visit, action }
    }

    #[test]
    fn reads_every_action() {
        let delay = Action::Delay(Duration::from_millis(20));
        for (text, expected) in [
            ("a.b=crash", vec![step("a.b", 0, Action::Crash)]),
            (" a.b=3*crash ", vec![step("a.b", 3, Action::Crash)]),
            ("a=2*delay(20)", vec![step("a", 2, delay)]),
            ("a=freeze", vec![step("a", 0, Action::Freeze)]),
            ("a=1*error > b=crash", vec![step("a", 1, Action::Error), step("b", 0, Action::Crash)]),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for bad in ["a", "a=", "=crash", "a=boom", "a=x*crash", "a=delay(x)", "a=crash >", "a=error > b"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_step_acts_at_its_visit_only() {
        let sequence = Sequence::new(parse("a=2*error").unwrap());
        let acted: Vec<bool> = (0..4).map(|_| sequence.reached("a").is_some()).collect();
        assert_eq!(acted, [false, true, false, false]);
        let always = Sequence::new(parse("a=error").unwrap());
        assert!((0..4).all(|_| always.reached("a").is_some() && always.reached("b").is_none()));
    }

    #[test]
    fn a_step_waits_for_the_one_before_it() {
        let sequence = Sequence::new(parse("a=error > b=2*error > a=crash").unwrap());
        let acted = ["b", "a", "a", "b", "b", "b", "a"].map(|name| sequence.reached(name));
        let (error, crash) = (Some(Action::Error), Some(Action::Crash));
        assert_eq!(acted, [None, error, None, None, error, None, crash]);
    }
}
