//! A TCP connection's way through this program, so that it can be cut, refused,
//! slowed down and broken while servers and clients run on it.

mod acceptor;
mod carrier;
mod counts;
mod pump;
mod state;
mod way;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::acceptor::Acceptor;
use self::counts::Counts;
use self::state::Control;
use crate::{Port, StackError};

pub use counts::LinkStats;
pub use state::{Direction, LinkState};

/// A port may be taken between its reservation and our bind.
const PORT_TRIES: usize = 5;

/// A proxy on 127.0.0.1 in front of one address.
///
/// Bytes of a connection that lives are never lost, doubled or reordered,
/// whatever the link's state; each end's close reaches the other. At most 1 MiB
/// of a direction of a connection is held here: then its sender has to wait.
/// At most 1,024 connections are carried at a time.
///
/// It lives on the runtime it was opened in. Dropping it closes everything.
#[derive(Debug)]
pub struct Link {
    name: String,
    port: Port,
    control: watch::Sender<Control>,
    counts: Counts,
    acceptor: JoinHandle<()>,
}

impl Link {
    /// Opens a clear link to `to` on a free port of its own. `name` is for logs.
    ///
    /// # Errors
    /// [`StackError::Link`], [`StackError::NoFreePort`]; [`StackError::Setting`]
    /// outside of a tokio runtime.
    pub fn open(name: impl Into<String>, to: SocketAddr) -> Result<Self, StackError> {
        Self::open_seeded(name, to, 0)
    }

    /// As [`Link::open`]; what a lossy or jittery link draws follows from `seed`.
    ///
    /// # Errors
    /// As [`Link::open`].
    pub fn open_seeded(name: impl Into<String>, to: SocketAddr, seed: u64) -> Result<Self, StackError> {
        let name = name.into();
        let runtime = Handle::try_current()
            .map_err(|_| StackError::Setting(format!("the link {name} needs a tokio runtime to run in")))?;
        let (port, listener) = listen(&name)?;
        let (control, states) = watch::channel(Control::clear(to));
        let counts = Counts::default();
        let acceptor = Acceptor::new(&name, listener, states, counts.clone(), seed)
            .map_err(|source| listen_error(&name, port.number(), source))?;
        let acceptor = runtime.spawn(acceptor.run());
        Ok(Self { name, port, control, counts, acceptor })
    }

    /// The name it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The TCP port on 127.0.0.1 to connect to.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The address to connect to.
    pub fn address(&self) -> SocketAddr {
        loopback(self.port())
    }

    /// From now on both directions are like this.
    pub fn set(&self, state: LinkState) {
        tracing::debug!(link = self.name, ?state, "link set");
        self.control.send_modify(|control| control.set(state));
    }

    /// From now on one direction is like this; the other stays as it is.
    /// [`LinkState::Refused`] in one direction refuses the whole.
    pub fn set_one_way(&self, direction: Direction, state: LinkState) {
        tracing::debug!(link = self.name, ?direction, ?state, "link set one way");
        self.control.send_modify(|control| control.set_one_way(direction, state));
    }

    /// The state of a direction.
    pub fn state(&self, direction: Direction) -> LinkState {
        self.control.borrow().of(direction)
    }

    /// New connections go to this address; established ones stay where they are.
    pub fn to(&self, address: SocketAddr) {
        self.control.send_modify(|control| control.to = address);
    }

    /// What it has carried so far.
    pub fn stats(&self) -> LinkStats {
        self.counts.now()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn listen(name: &str) -> Result<(Port, TcpListener), StackError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let port = Port::reserve()?;
        match TcpListener::bind(loopback(port.number())) {
            Ok(listener) => return Ok((port, listener)),
            Err(error) if tries < PORT_TRIES => {
                tracing::warn!(port = port.number(), %error, "the port was taken meanwhile");
            }
            Err(error) => return Err(listen_error(name, port.number(), error)),
        }
    }
}

fn listen_error(name: &str, port: u16, source: std::io::Error) -> StackError {
    StackError::Link { name: name.to_owned(), address: loopback(port), source }
}
