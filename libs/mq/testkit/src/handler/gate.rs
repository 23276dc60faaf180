use tokio::sync::watch;

/// Where a handler waits until the test lets it go on. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate {
    open: watch::Sender<bool>,
    arrived: watch::Sender<usize>,
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn closed() -> Self {
        Self { open: watch::Sender::new(false), arrived: watch::Sender::new(0) }
    }

    /// Lets all through, for good.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until `count` have arrived altogether.
    pub async fn reached(&self, count: usize) {
        // The sender lives as long as this gate.
        let _ = self.arrived.subscribe().wait_for(|arrived| *arrived >= count).await;
    }

    /// Arrives, and waits until the gate is open.
    pub(super) async fn pass(&self) {
        self.arrived.send_modify(|arrived| *arrived += 1);
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}
