//! Accepts a link's connections, and refuses them while the link does.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use super::Control;
use super::carrier::carry;
use super::counts::Counts;
use super::way::changed;

/// Connections carried at a time; the kernel holds some more that wait.
const CONNECTIONS_MAX: usize = 1_024;
/// After a failure to accept or to listen: descriptors may be short for a while.
const PAUSE: Duration = Duration::from_millis(50);

/// The task behind a link. It ends only by being aborted, and everything it
/// carries ends with it.
pub(super) struct Acceptor {
    name: String,
    address: SocketAddr,
    /// None while the link refuses: a closed listener refuses as a dead server does.
    listener: Option<TcpListener>,
    control: watch::Receiver<Control>,
    counts: Counts,
    random: SmallRng,
    carried: JoinSet<()>,
}

enum Event {
    Told,
    Accepted(io::Result<TcpStream>),
    Ended(Result<(), JoinError>),
}

impl Acceptor {
    /// Inside of a runtime.
    pub(super) fn new(
        name: &str,
        listener: std::net::TcpListener,
        control: watch::Receiver<Control>,
        counts: Counts,
        seed: u64,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self {
            name: name.to_owned(),
            address: listener.local_addr()?,
            listener: Some(TcpListener::from_std(listener)?),
            control,
            counts,
            random: SmallRng::seed_from_u64(seed),
            carried: JoinSet::new(),
        })
    }

    pub(super) async fn run(mut self) {
        loop {
            self.listen_or_not().await;
            match self.next().await {
                Event::Told => {}
                Event::Accepted(Ok(client)) => self.begin(client),
                Event::Accepted(Err(error)) => self.pause("accept", &error).await,
                Event::Ended(Ok(())) => {}
                Event::Ended(Err(error)) => {
                    tracing::error!(link = self.name, %error, "a connection's task failed");
                }
            }
        }
    }

    async fn listen_or_not(&mut self) {
        if self.control.borrow_and_update().is_refused() {
            self.listener = None;
        } else if self.listener.is_none() {
            match TcpListener::bind(self.address).await {
                Ok(listener) => self.listener = Some(listener),
                Err(error) => self.pause("listen again", &error).await,
            }
        }
    }

    async fn next(&mut self) -> Event {
        let room = self.carried.len() < CONNECTIONS_MAX;
        // Refused, it waits to be told; not listening against its will, it tries again.
        let retry = self.listener.is_none() && !self.control.borrow().is_refused();
        tokio::select! {
            () = changed(&mut self.control) => Event::Told,
            () = std::future::ready(()), if retry => Event::Told,
            accepted = accept(self.listener.as_ref()), if room => Event::Accepted(accepted),
            Some(ended) = self.carried.join_next() => Event::Ended(ended),
        }
    }

    fn begin(&mut self, client: TcpStream) {
        let seeds = self.random.random();
        self.carried.spawn(carry(client, self.control.clone(), self.counts.clone(), seeds));
    }

    async fn pause(&self, action: &str, error: &io::Error) {
        tracing::warn!(link = self.name, address = %self.address, %error, "cannot {action}; trying again");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(client, _)| client),
        None => std::future::pending().await,
    }
}
