//! What a link has carried.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Direction;

/// What a link has carried since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkStats {
    /// Connections that were accepted.
    pub connections: u64,
    /// Connections that are established now, those held by a cut included.
    pub open: u64,
    /// Bytes handed on to the address behind the link.
    pub bytes_forward: u64,
    /// Bytes handed on to those who connected.
    pub bytes_backward: u64,
    /// Connections that ended by a reset, by whomever.
    pub resets: u64,
}

/// The counters behind [`LinkStats`]; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    connections: AtomicU64,
    open: AtomicU64,
    forward: AtomicU64,
    backward: AtomicU64,
    resets: AtomicU64,
}

/// Counts as one open connection while it lives.
#[derive(Debug)]
pub(super) struct Opened(Counts);

impl Counts {
    pub(super) fn opened(&self) -> Opened {
        self.0.connections.fetch_add(1, Ordering::Relaxed);
        self.0.open.fetch_add(1, Ordering::Relaxed);
        Opened(self.clone())
    }

    pub(super) fn carried(&self, direction: Direction, bytes: usize) {
        let counter = match direction {
            Direction::Forward => &self.0.forward,
            Direction::Backward => &self.0.backward,
        };
        counter.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn reset(&self) {
        self.0.resets.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> LinkStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LinkStats {
            connections: read(&self.0.connections),
            open: read(&self.0.open),
            bytes_forward: read(&self.0.forward),
            bytes_backward: read(&self.0.backward),
            resets: read(&self.0.resets),
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
