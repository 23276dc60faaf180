use std::sync::Arc;
use std::time::Duration;

use sea_mq_testkit::WorkerProcess;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use super::counted::{Counted, Sign};
use super::victim::Victim;

/// One that takes longer is frozen, or busy; nobody who wants to thaw it waits longer for a look.
const LOOK_LIMIT: Duration = Duration::from_millis(500);

/// The processes of one worker, one after the other; faults have it, and those who look at what it counts
/// meanwhile.
#[derive(Clone)]
pub(crate) struct Life(Arc<Mutex<Living>>);

pub(super) struct Living {
    pub(super) process: Victim<WorkerProcess>,
    counted: Counted,
}

impl Life {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Living { process: Victim::down(), counted: Counted::default() })))
    }

    pub(super) async fn hold(&self) -> MutexGuard<'_, Living> {
        self.0.lock().await
    }

    /// How often all of its processes have shown the sign.
    pub(crate) async fn total(&self, sign: Sign) -> f64 {
        let mut living = self.hold().await;
        living.look().await;
        living.counted.total(sign)
    }
}

impl Living {
    /// Remembers what it shows at this moment.
    pub(super) async fn look(&mut self) {
        let Some(process) = self.process.process() else { return };
        if let Ok(page) = timeout(LOOK_LIMIT, process.metrics()).await {
            self.counted.shown(&page);
        }
    }

    pub(super) fn up(&mut self, process: WorkerProcess) {
        self.counted.begin_anew();
        self.process.up(process);
    }
}
