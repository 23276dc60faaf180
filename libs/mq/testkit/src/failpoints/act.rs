use std::fmt;

use super::catalogue::{FAILPOINTS, Failpoint, Way};

/// Longer than a worker may be silent before others take its lanes over.
const DELAY_MS: u32 = 4_000;

/// What happens at a failpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The process is killed there.
    Crash,
    /// The operation fails there.
    Error,
    /// The operation waits there for longer than a lease lives; the process goes on.
    Delay,
    /// The process stands still there until another one has taken its lanes over.
    Freeze,
}

/// One thing that happens to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Act {
    /// Where.
    pub failpoint: Failpoint,
    /// What.
    pub action: Action,
}

impl Failpoint {
    /// The failpoint of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        FAILPOINTS.iter().find(|failpoint| failpoint.name == name).copied()
    }

    /// This happens here.
    #[must_use]
    pub fn act(self, action: Action) -> Act {
        Act { failpoint: self, action }
    }
}

impl Act {
    /// How the variable for failpoints says it; it happens once.
    fn text(&self) -> String {
        let name = self.failpoint.name;
        match self.action {
            Action::Crash => format!("{name}=1*crash"),
            Action::Error => format!("{name}=1*error"),
            Action::Delay => format!("{name}=1*delay({DELAY_MS})"),
            Action::Freeze => format!("{name}=1*freeze"),
        }
    }

    /// The line by which the process says that it happens.
    pub(super) fn line(&self) -> String {
        let action = match self.action {
            Action::Crash => "crash",
            Action::Error => "error",
            Action::Delay => "delay",
            Action::Freeze => "freeze",
        };
        format!("failpoint {}: {action}", self.failpoint.name)
    }
}

/// What leads to a failpoint that a running process would not pass by itself, and the act.
///
/// Messages that were pulled and not recorded are read from the stream, those of a predecessor (`before`)
/// at once; a worker whose renewal took too long loses its lanes, and takes them as a new one.
pub(super) fn led_to(before: Option<Act>, acts: &[Act]) -> Vec<Act> {
    let inherits = before.is_some_and(|before| before.failpoint.name == "ingest.pull.after");
    let mut led: Vec<Act> = Vec::new();
    for act in acts {
        let lead = match act.failpoint.way {
            Way::CatchingUp if inherits && led.is_empty() => None,
            Way::CatchingUp => Failpoint::named("ingest.pull.after").map(|it| it.act(Action::Error)),
            Way::Arriving if !led.is_empty() => {
                Failpoint::named("lease.renew.before").map(|it| it.act(Action::Delay))
            }
            Way::Arriving | Way::Load | Way::Batch | Way::HandingOver | Way::Leaving | Way::Failing => None,
        };
        // What failed is tried again, and so passes there once more; but for a recall, without which
        // messages come up when they are due.
        let tried_again = !act.failpoint.name.starts_with("inbox.recall.");
        let again = tried_again && led.last().is_some_and(|last| last.failpoint == act.failpoint);
        led.extend(lead.filter(|lead| !again && led.last() != Some(lead)));
        led.push(*act);
    }
    led
}

/// The value of the variable that arms these acts, one after the other.
pub(super) fn script(acts: &[Act]) -> String {
    acts.iter().map(Act::text).collect::<Vec<_>>().join(" > ")
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Act, Action, Failpoint, led_to, script};

    fn act(name: &str, action: Action) -> Act {
        Failpoint::named(name).unwrap().act(action)
    }

    #[test]
    fn acts_happen_once_and_one_after_the_other() {
        let acts = [act("outbox.mark.after", Action::Error), act("outbox.park.before", Action::Crash)];
        assert_eq!(script(&led_to(None, &acts)), "outbox.mark.after=1*error > outbox.park.before=1*crash");
    }

    #[test]
    fn what_a_running_process_does_not_pass_is_led_to() {
        let pulled = act("ingest.pull.after", Action::Error);
        let read = act("ingest.range.after", Action::Crash);
        let died = |name| Some(act(name, Action::Crash));
        assert_eq!(led_to(None, &[read]), [pulled, read]);
        assert_eq!(led_to(died("ingest.ack.after"), &[pulled, read]), [pulled, read]);
        assert_eq!(led_to(died("ingest.pull.after"), &[read]), [read]);
        let (failed, renewal) =
            (act("inbox.dead.after", Action::Error), act("lease.renew.before", Action::Delay));
        let taken = act("dispatch.take_over.before", Action::Crash);
        assert_eq!(led_to(None, &[taken]), [taken]);
        assert_eq!(led_to(None, &[failed, taken]), [failed, renewal, taken]);
        let again = act("dispatch.take_over.before", Action::Error);
        assert_eq!(led_to(None, &[again, taken]), [again, taken]);
    }
}
