use sea_ports::{Clock, IdSource};
use time::OffsetDateTime;
use uuid::Uuid;

/// The system's clock, to the microsecond: finer the database does not keep it, and what was
/// answered at first and what is read later must be the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        let now = OffsetDateTime::now_utc();
        now.replace_microsecond(now.microsecond()).unwrap_or(now)
    }
}

/// Identities by time and chance (UUID version 7): new rows lie beside each other in an index.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl IdSource for RandomIds {
    fn next_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock as _, SystemClock};

    #[test]
    fn time_is_cut_to_the_microsecond() {
        assert_eq!(SystemClock.now().nanosecond() % 1_000, 0);
    }
}
