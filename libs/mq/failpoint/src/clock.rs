use std::time::SystemTime;

/// The wall clock. In a build with debug assertions a test may let it jump: the file that the environment
/// variable `SEA_MQ_CLOCK_OFFSET_FILE` names holds milliseconds that are added, or taken away.
#[must_use]
pub fn wall_clock() -> SystemTime {
    jumped(SystemTime::now())
}

#[cfg(not(debug_assertions))]
fn jumped(now: SystemTime) -> SystemTime {
    now
}

#[cfg(debug_assertions)]
fn jumped(now: SystemTime) -> SystemTime {
    use std::path::PathBuf;
    use std::sync::OnceLock;

    static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let file = FILE.get_or_init(|| std::env::var_os("SEA_MQ_CLOCK_OFFSET_FILE").map(PathBuf::from));
    let text = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    text.and_then(|text| text.trim().parse().ok()).map_or(now, |offset_ms| moved(now, offset_ms))
}

#[cfg(debug_assertions)]
fn moved(now: SystemTime, offset_ms: i64) -> SystemTime {
    let by = std::time::Duration::from_millis(offset_ms.unsigned_abs());
    let moved = if offset_ms < 0 { now.checked_sub(by) } else { now.checked_add(by) };
    moved.unwrap_or(now)
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::moved;

    #[test]
    fn it_jumps_both_ways_and_never_out_of_range() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        assert_eq!(moved(now, 2_000), now + Duration::from_secs(2));
        assert_eq!(moved(now, -2_000), now - Duration::from_secs(2));
        assert_eq!(moved(now, i64::MIN), now - Duration::from_millis(i64::MIN.unsigned_abs()));
    }
}
