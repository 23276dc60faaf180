//! Acting on what the environment armed.

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

use crate::script::{Action, Sequence, parse};

/// More than the moment between the order to stop and the stop.
const UNTIL_STOPPED: Duration = Duration::from_millis(100);

static ARMED: OnceLock<Vec<Sequence>> = OnceLock::new();

/// Acts on a failpoint that cannot fail, if the environment armed it. Called by [`crate::failpoint!`].
pub async fn hit(name: &str) {
    if act(name).await {
        eprintln!("failpoint {name}: cannot fail, goes on");
    }
}

/// Acts on a failpoint; true when its operation is to fail here. Called by [`crate::failpoint!`].
pub async fn fails(name: &str) -> bool {
    let fails = act(name).await;
    if fails {
        eprintln!("failpoint {name}: error");
    }
    fails
}

/// What the driver says of a connection that broke: whether the other side still did what it was asked
/// for is not known.
#[must_use]
pub fn lost_connection() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the connection was lost at a failpoint")
}

async fn act(name: &str) -> bool {
    let armed = ARMED.get_or_init(from_environment);
    let mut fails = false;
    for action in armed.iter().filter_map(|sequence| sequence.reached(name)) {
        match action {
            Action::Crash => crash(name),
            Action::Error => fails = true,
            Action::Delay(pause) => {
                eprintln!("failpoint {name}: delay");
                tokio::time::sleep(pause).await;
            }
            Action::Freeze => freeze(name),
        }
    }
    fails
}

fn crash(name: &str) {
    eprintln!("failpoint {name}: crash");
    // SIGKILL, not abort: nothing may run on the way out, as with a power cut.
    let _ = kill_process(getpid(), Signal::KILL);
}

fn freeze(name: &str) {
    eprintln!("failpoint {name}: freeze");
    let _ = kill_process(getpid(), Signal::STOP);
    // The signal may go to another thread first: this one must not get past the failpoint meanwhile.
    std::thread::sleep(UNTIL_STOPPED);
}

fn from_environment() -> Vec<Sequence> {
    let text = std::env::var("SEA_MQ_FAILPOINTS").unwrap_or_default();
    let mut armed = Vec::new();
    for item in text.split(';').filter(|item| !item.trim().is_empty()) {
        match parse(item) {
            Some(steps) => armed.push(Sequence::new(steps)),
            None => eprintln!("SEA_MQ_FAILPOINTS: cannot read `{item}`; ignored"),
        }
    }
    armed
}
