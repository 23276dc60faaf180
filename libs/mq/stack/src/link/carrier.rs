//! One connection over a link, from its acceptance to its end.

use std::io;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::counts::Counts;
use super::pump::pump;
use super::way::{Way, changed, refused};
use super::{Control, Direction};

/// Carries a connection to its end. On error the task is over and both ends are
/// reset; on cancel (the link was dropped) both are closed.
pub(super) async fn carry(
    client: TcpStream,
    mut control: watch::Receiver<Control>,
    counts: Counts,
    seeds: [u64; 2],
) {
    let _open = counts.opened();
    let link_refuses = control.clone();
    let Some(server) = connect(&client, &mut control, link_refuses).await else {
        counts.reset();
        reset(&client);
        return;
    };
    if let Err(error) = exchange(client, server, control, &counts, seeds).await {
        tracing::debug!(%error, "a connection over a link was reset");
    }
}

/// The connection to the other end, once the link lets it through.
async fn connect(
    client: &TcpStream,
    control: &mut watch::Receiver<Control>,
    mut link_refuses: watch::Receiver<Control>,
) -> Option<TcpStream> {
    let reach = async {
        let held = wait_while_cut(control).await;
        if held && gave_up(client).await {
            return None;
        }
        let to = control.borrow().to;
        TcpStream::connect(to).await.ok()
    };
    tokio::select! {
        server = reach => server,
        () = refused(&mut link_refuses) => None,
    }
}

/// Whether there was a cut to wait for.
async fn wait_while_cut(control: &mut watch::Receiver<Control>) -> bool {
    let mut held = false;
    while control.borrow_and_update().is_cut() {
        held = true;
        changed(control).await;
    }
    held
}

/// Whether the client has closed. Had the cut been real, its connection would
/// not have come about, and what it sent would never arrive.
async fn gave_up(client: &TcpStream) -> bool {
    let ready = timeout(Duration::ZERO, client.ready(Interest::READABLE)).await;
    matches!(ready, Ok(Ok(ready)) if ready.is_read_closed())
}

async fn exchange(
    mut client: TcpStream,
    mut server: TcpStream,
    mut control: watch::Receiver<Control>,
    counts: &Counts,
    [forward_seed, backward_seed]: [u64; 2],
) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ways = [Direction::Forward, Direction::Backward].map(|way| Way::new(way, control.clone()));
    let [forward, backward] = ways;
    let outcome = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let both = async {
            tokio::try_join!(
                pump(from_client, to_server, forward, counts, forward_seed),
                pump(from_server, to_client, backward, counts, backward_seed),
            )
        };
        tokio::select! {
            both = both => both.map(|_| ()),
            () = refused(&mut control) => Err(io::ErrorKind::ConnectionReset.into()),
        }
    };
    if outcome.is_err() {
        counts.reset();
        reset(&client);
        reset(&server);
    }
    outcome
}

/// Its close will be a reset. Where that fails the connection is gone already.
fn reset(stream: &TcpStream) {
    drop(stream.set_zero_linger());
}
