//! One direction's state, as those who carry see it.

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::{Control, Direction, LinkState};

/// Follows the state of one direction.
#[derive(Debug, Clone)]
pub(super) struct Way {
    direction: Direction,
    control: watch::Receiver<Control>,
}

impl Way {
    pub(super) fn new(direction: Direction, control: watch::Receiver<Control>) -> Self {
        Self { direction, control }
    }

    pub(super) fn direction(&self) -> Direction {
        self.direction
    }

    fn state(&mut self) -> LinkState {
        self.control.borrow_and_update().of(self.direction)
    }

    /// Waits until something of the link is set anew.
    pub(super) async fn changed(&mut self) {
        changed(&mut self.control).await;
    }

    /// Waits until bytes may be taken in; the state they are taken in under.
    pub(super) async fn open(&mut self) -> LinkState {
        loop {
            match self.state() {
                LinkState::Cut | LinkState::Refused => self.changed().await,
                state @ (LinkState::Clear | LinkState::Slow { .. } | LinkState::Lossy { .. }) => {
                    return state;
                }
            }
        }
    }

    /// Waits until what is due then may be handed on. A clear link does not
    /// make up for what a slow one would have cost.
    pub(super) async fn passable(&mut self, due: Instant) {
        loop {
            match self.state() {
                LinkState::Clear => return,
                LinkState::Cut | LinkState::Refused => self.changed().await,
                LinkState::Slow { .. } | LinkState::Lossy { .. } => {
                    if Instant::now() >= due {
                        return;
                    }
                    tokio::select! {
                        () = sleep_until(due) => {}
                        () = self.changed() => {}
                    }
                }
            }
        }
    }
}

/// Waits until the link is told something. Once nobody can tell it any more,
/// whoever waits here is about to be aborted.
pub(super) async fn changed(control: &mut watch::Receiver<Control>) {
    if control.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits until the link refuses.
pub(super) async fn refused(control: &mut watch::Receiver<Control>) {
    if control.wait_for(Control::is_refused).await.is_err() {
        std::future::pending::<()>().await;
    }
}
