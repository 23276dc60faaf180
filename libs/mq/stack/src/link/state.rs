//! What may be wrong with a link.

use std::net::SocketAddr;
use std::time::Duration;

/// How a link, or one direction of it, treats what goes over it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum LinkState {
    /// Everything goes on at once.
    #[default]
    Clear,
    /// A partition. Established connections carry nothing, and are neither
    /// closed nor answered; new ones are accepted, as the kernel does, and hear
    /// nothing. What was sent meanwhile, closes included, goes on once the link
    /// is set otherwise; a new connection whose maker gave up by then never
    /// reaches the other end.
    Cut,
    /// Established connections are reset, new ones refused.
    Refused,
    /// Everything takes longer. Order is kept; each connection for itself.
    Slow {
        /// Added to the way of every byte, one way.
        delay: Duration,
        /// At most this much more, drawn anew for each piece.
        jitter: Duration,
        /// At most so many bytes a second for each connection.
        bytes_per_sec: Option<u64>,
    },
    /// Loss as TCP shows it: pieces that come late, since they had to be sent
    /// again, with everything behind them waiting; now and then a reset.
    Lossy {
        /// How probable a stall is, for each piece of at most 16 KiB; 0 to 1.
        stall_chance: f64,
        /// The shortest stall.
        stall_min: Duration,
        /// The longest stall.
        stall_max: Duration,
        /// How probable it is that the connection is reset, for each piece; 0 to 1.
        reset_chance: f64,
    },
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From whoever connects to the address behind the link.
    Forward,
    /// From the address behind the link to whoever connected.
    Backward,
}

/// What a link is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Control {
    pub(super) to: SocketAddr,
    forward: LinkState,
    backward: LinkState,
}

impl Control {
    pub(super) fn clear(to: SocketAddr) -> Self {
        Self { to, forward: LinkState::Clear, backward: LinkState::Clear }
    }

    pub(super) fn set(&mut self, state: LinkState) {
        self.forward = state;
        self.backward = state;
    }

    pub(super) fn set_one_way(&mut self, direction: Direction, state: LinkState) {
        match direction {
            Direction::Forward => self.forward = state,
            Direction::Backward => self.backward = state,
        }
    }

    pub(super) fn of(&self, direction: Direction) -> LinkState {
        match direction {
            Direction::Forward => self.forward,
            Direction::Backward => self.backward,
        }
    }

    /// Making a connection takes both directions.
    pub(super) fn is_cut(&self) -> bool {
        self.forward == LinkState::Cut || self.backward == LinkState::Cut
    }

    pub(super) fn is_refused(&self) -> bool {
        self.forward == LinkState::Refused || self.backward == LinkState::Refused
    }
}
