use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What an armed failpoint does when it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Kill the own process with SIGKILL.
    Crash,
    /// Wait, then go on.
    Delay(Duration),
}

#[derive(Debug)]
struct Armed {
    action: Action,
    /// Act at this visit only; 0 = at every visit.
    at_visit: u32,
    visits: AtomicU32,
}

static ARMED: OnceLock<HashMap<String, Armed>> = OnceLock::new();

/// Acts on a failpoint if the environment armed it. Called by [`crate::failpoint!`].
pub async fn hit(name: &str) {
    let armed = ARMED.get_or_init(from_environment);
    let Some(point) = armed.get(name) else { return };
    let visit = point.visits.fetch_add(1, Ordering::Relaxed) + 1;
    if point.at_visit != 0 && point.at_visit != visit {
        return;
    }
    match point.action {
        Action::Crash => crash(name),
        Action::Delay(pause) => {
            eprintln!("failpoint {name}: delay");
            tokio::time::sleep(pause).await;
        }
    }
}

fn crash(name: &str) {
    eprintln!("failpoint {name}: crash");
    // SIGKILL, not abort: nothing may run on the way out, as with a power cut.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}

fn from_environment() -> HashMap<String, Armed> {
    let text = std::env::var("SEA_MQ_FAILPOINTS").unwrap_or_default();
    text.split(';')
        .filter(|item| !item.trim().is_empty())
        .filter_map(|item| {
            let parsed = parse(item);
            if parsed.is_none() {
                eprintln!("SEA_MQ_FAILPOINTS: cannot read `{item}`; ignored");
            }
            parsed
        })
        .map(|(name, at_visit, action)| (name, Armed { action, at_visit, visits: AtomicU32::new(0) }))
        .collect()
}

/// Reads one item, `name=[N*]crash` or `name=[N*]delay(ms)`, as (name, visit or 0, action).
#[must_use]
pub fn parse(item: &str) -> Option<(String, u32, Action)> {
    let (name, what) = item.trim().split_once('=')?;
    let (at_visit, what) = match what.split_once('*') {
        Some((n, rest)) => (n.trim().parse().ok()?, rest),
        None => (0, what),
    };
    let action = match what.trim() {
        "crash" => Action::Crash,
        delay => {
            let ms = delay.strip_prefix("delay(")?.strip_suffix(')')?;
            Action::Delay(Duration::from_millis(ms.parse().ok()?))
        }
    };
    Some((name.trim().to_owned(), at_visit, action))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Action, parse};

    #[test]
    fn reads_the_three_forms() {
        assert_eq!(parse("a.b=crash"), Some(("a.b".to_owned(), 0, Action::Crash)));
        assert_eq!(parse(" a.b=3*crash "), Some(("a.b".to_owned(), 3, Action::Crash)));
        let delay = Action::Delay(Duration::from_millis(20));
        assert_eq!(parse("a=2*delay(20)"), Some(("a".to_owned(), 2, delay)));
        for bad in ["a", "a=", "a=boom", "a=x*crash", "a=delay(x)"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
