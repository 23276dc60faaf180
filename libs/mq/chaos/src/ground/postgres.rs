use std::time::Duration;

use tokio::time::Instant;

/// A server whose disk was full may still stumble over what it could not write so long after.
const EXCUSED_FOR: Duration = Duration::from_secs(30);

/// Whether Postgres is to be started again when it is found not to run, and whether that is a finding.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Care {
    kept_down: bool,
    disk_freed_at: Option<Instant>,
}

impl Care {
    /// A fault has killed it, or fills its disk: it would be started in vain.
    pub(crate) fn keep_down(&mut self) {
        self.kept_down = true;
    }

    /// The fault is over.
    pub(crate) fn let_up(&mut self) {
        self.kept_down = false;
    }

    /// Its disk has room again.
    pub(crate) fn disk_freed(&mut self, at: Instant) {
        self.kept_down = false;
        self.disk_freed_at = Some(at);
    }

    pub(super) fn is_kept_down(&self) -> bool {
        self.kept_down
    }

    /// The fault that is over may be why it ended.
    pub(super) fn is_excused(&self, now: Instant) -> bool {
        self.disk_freed_at.is_some_and(|freed| now.duration_since(freed) < EXCUSED_FOR)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::{Care, EXCUSED_FOR};

    #[test]
    fn a_fault_keeps_it_down_and_a_disk_that_was_full_is_an_excuse_for_a_while() {
        let now = Instant::now();
        let mut care = Care::default();
        assert!(!care.is_kept_down() && !care.is_excused(now));
        care.keep_down();
        assert!(care.is_kept_down());
        care.let_up();
        assert!(!care.is_kept_down() && !care.is_excused(now));

        care.keep_down();
        care.disk_freed(now);
        assert!(!care.is_kept_down() && care.is_excused(now));
        assert!(!care.is_excused(now + EXCUSED_FOR));
    }
}
