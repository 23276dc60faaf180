//! The configuration that a node reads: copies of the project's files, and the
//! environment that fills them in.

use std::path::{Path, PathBuf};

use super::{NatsOptions, NatsUsers};
use crate::paths::nats_configuration;
use crate::{Port, StackError, StateDir};

const USERS_FILE: &str = "users.conf";
const NO_USERS: &str = "# Everybody may do everything.\n";

/// The ports of one node, all on 127.0.0.1.
#[derive(Debug)]
pub(crate) struct NodePorts {
    pub(crate) client: Port,
    pub(crate) monitor: Port,
    pub(crate) route: Port,
}

impl NodePorts {
    pub(crate) fn reserve() -> Result<Self, StackError> {
        Ok(Self { client: Port::reserve()?, monitor: Port::reserve()?, route: Port::reserve()? })
    }
}

/// Copies the configuration beside the state, since `include` only knows
/// relative paths and the users may be others here; the main file.
pub(crate) fn write(state: &StateDir, options: &NatsOptions) -> Result<PathBuf, StackError> {
    let (source, target) = (nats_configuration(), state.folder("nats-conf")?);
    for name in ["server.conf", "single.conf", "nats.conf"] {
        let text = read(&source.join(name))?;
        write_file(&target.join(name), &text)?;
    }
    let users = match &options.users {
        NatsUsers::Anyone => NO_USERS.to_owned(),
        NatsUsers::Project => read(&source.join(USERS_FILE))?,
        NatsUsers::Text(text) => text.clone(),
    };
    write_file(&target.join(USERS_FILE), &users)?;
    Ok(target.join(if options.nodes == 1 { "single.conf" } else { "nats.conf" }))
}

/// The environment of one node; `all` are the ports of every node.
pub(crate) fn environment(
    name: &str,
    own: &NodePorts,
    all: &[NodePorts],
    store: &Path,
    options: &NatsOptions,
) -> Vec<(String, String)> {
    let routes: Vec<String> =
        all.iter().map(|node| format!("\"nats://127.0.0.1:{}\"", node.route.number())).collect();
    let mut environment: Vec<(String, String)> = [
        ("NATS_SERVER_NAME", name.to_owned()),
        ("NATS_LISTEN", loopback(&own.client)),
        ("NATS_HTTP", loopback(&own.monitor)),
        ("NATS_ADVERTISE", loopback(&own.client)),
        ("NATS_CLUSTER_LISTEN", loopback(&own.route)),
        ("NATS_CLUSTER_ADVERTISE", loopback(&own.route)),
        ("NATS_CLUSTER_ROUTES", format!("[{}]", routes.join(","))),
        ("NATS_STORE_DIR", format!("\"{}\"", store.display())),
        ("NATS_MAX_FILE_STORE", options.max_file_store.clone()),
        ("NATS_MAX_PAYLOAD", options.max_payload.clone()),
        ("NATS_SYNC_INTERVAL", format!("\"{}\"", options.sync_interval)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    environment.extend(options.environment.iter().cloned());
    environment
}

/// In quotes: the configuration language reads a bare colon otherwise.
fn loopback(port: &Port) -> String {
    format!("\"127.0.0.1:{}\"", port.number())
}

fn read(path: &Path) -> Result<String, StackError> {
    std::fs::read_to_string(path).map_err(StackError::file("read", path))
}

fn write_file(path: &Path, text: &str) -> Result<(), StackError> {
    std::fs::write(path, text).map_err(StackError::file("write", path))
}
