use time::OffsetDateTime;
use vibespro_ports::Clock;

/// The machine's clock, in whole microseconds as Postgres keeps them.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        let now = OffsetDateTime::now_utc();
        let whole = now.microsecond() * 1_000;
        now.replace_nanosecond(whole).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::SystemClock;
    use vibespro_ports::Clock;

    #[test]
    fn whole_microseconds() {
        assert_eq!(SystemClock.now().nanosecond() % 1_000, 0);
    }
}
