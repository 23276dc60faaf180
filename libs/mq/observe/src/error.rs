use std::io;
use std::net::SocketAddr;

use tracing_subscriber::filter::ParseError;

/// Why a worker cannot be watched as it was told.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The address for health and metrics cannot be listened on.
    #[error("cannot listen on {addr} for health and metrics: {source}; {}", advice(.addr, .source))]
    Bind {
        /// The address that was asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The server for health and metrics broke down.
    #[error("the server for health and metrics stopped: {0}")]
    Serve(#[source] io::Error),
    /// The log filter cannot be understood.
    #[error(
        "RUST_LOG is {filter:?}: {source}; use levels such as info, or \
     sea_mq_worker=debug,warn"
    )]
    LogFilter {
        /// The filter that was asked for.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// Another recorder of metrics is already in place in this process.
    #[error("metrics cannot be recorded: another recorder is already installed in this process")]
    Recorder,
}

/// What the operator can do about an address that cannot be had.
fn advice(addr: &SocketAddr, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::AddrInUse {
        return format!(
            "another program, perhaps another worker on this machine, has port {}: set \
             METRICS_PORT to a free one (0 lets the system choose)",
            addr.port()
        );
    }
    if error.kind() == io::ErrorKind::PermissionDenied {
        return "ports below 1024 need a privilege: set METRICS_PORT to a higher one".to_owned();
    }
    "set METRICS_HOST to an address of this machine (127.0.0.1, or 0.0.0.0 for all)".to_owned()
}
