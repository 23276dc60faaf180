//! Ports that nobody else takes before the server listens on them.
//!
//! A port is reserved by binding an abstract Unix socket named after it: the
//! name is free again the moment its holder dies, in whatever way, and leaves
//! no file behind. Ports are taken from below the range that the system gives
//! to outgoing connections; a client that reconnects to a stopped server could
//! otherwise be given that very port and talk to itself.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Mutex, PoisonError};

use crate::StackError;

const LOWEST: u16 = 12_000;
/// Start of the outgoing range where the system does not tell.
const USUAL_OUTGOING: u16 = 32_768;
const MAX_TRIES: usize = 2_000;

/// A TCP port of 127.0.0.1 that no other user of this crate gets, in any
/// process, while this value lives.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// Held, never used: its name is the reservation.
    _reservation: UnixListener,
}

impl Port {
    /// Reserves a port on which nothing listens now.
    ///
    /// # Errors
    /// [`StackError::NoFreePort`].
    pub fn reserve() -> Result<Self, StackError> {
        let width = u64::from(outgoing_start().saturating_sub(LOWEST).max(1));
        let random = RandomState::new();
        for attempt in 0..MAX_TRIES {
            let offset = u16::try_from(random.hash_one(attempt) % width).unwrap_or_default();
            if let Some(port) = try_reserve(LOWEST + offset) {
                return Ok(port);
            }
        }
        Err(StackError::NoFreePort { tried: MAX_TRIES })
    }

    /// The port's number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// A free port, reserved until this process ends.
///
/// # Errors
/// [`StackError::NoFreePort`].
pub fn free_port() -> Result<u16, StackError> {
    let port = Port::reserve()?;
    let number = port.number();
    hold(port);
    Ok(number)
}

/// This port, reserved until this process ends, or another one when it is taken.
///
/// # Errors
/// [`StackError::NoFreePort`].
pub fn port_like(wish: u16) -> Result<u16, StackError> {
    match try_reserve(wish) {
        Some(port) => {
            hold(port);
            Ok(wish)
        }
        None => free_port(),
    }
}

/// Until this process ends.
fn hold(port: Port) {
    static HELD: Mutex<Vec<Port>> = Mutex::new(Vec::new());
    HELD.lock().unwrap_or_else(PoisonError::into_inner).push(port);
}

fn try_reserve(number: u16) -> Option<Port> {
    let name = SocketAddr::from_abstract_name(format!("sea-mq/port/{number}")).ok()?;
    let reservation = UnixListener::bind_addr(&name).ok()?;
    TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
    Some(Port { number, _reservation: reservation })
}

/// The first port of the range that outgoing connections use.
fn outgoing_start() -> u16 {
    std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .filter(|start| *start > LOWEST + 1_000)
        .unwrap_or(USUAL_OUTGOING)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_reserved_port_is_not_given_twice_and_is_free_again_when_dropped() {
        let port = Port::reserve().unwrap();
        assert!(try_reserve(port.number()).is_none());
        let number = port.number();
        drop(port);
        assert_eq!(try_reserve(number).unwrap().number(), number);
    }

    #[test]
    fn a_port_with_a_listener_is_not_given() {
        let port = Port::reserve().unwrap();
        let number = port.number();
        drop(port);
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).unwrap();
        assert!(try_reserve(number).is_none());
    }

    #[test]
    fn a_wish_is_fulfilled_once() {
        let free = Port::reserve().unwrap();
        let number = free.number();
        drop(free);
        assert_eq!(port_like(number).unwrap(), number);
        assert_ne!(port_like(number).unwrap(), number);
    }

    #[test]
    fn ports_stay_below_the_outgoing_range() {
        for _ in 0..50 {
            assert!(free_port().unwrap() < outgoing_start());
        }
    }
}
