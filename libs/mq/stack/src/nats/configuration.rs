//! The configuration that a node reads: copies of the project's files, and the
//! environment that fills them in.

use std::path::{Path, PathBuf};

use super::{NatsOptions, NatsUsers, Routes};
use crate::paths::nats_configuration;
use crate::{Port, StackError, StateDir};

const SINGLE_FILE: &str = "single.conf";
const CLUSTER_FILE: &str = "nats.conf";
const USERS_FILE: &str = "users.conf";
/// Includes one of the project's files, and may say more.
const MAIN_FILE: &str = "main.conf";
const CLUSTER_BLOCK: &str = "\ncluster {\n";
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
    for name in ["server.conf", SINGLE_FILE] {
        let text = read(&source.join(name))?;
        write_file(&target.join(name), &text)?;
    }
    let cluster = source.join(CLUSTER_FILE);
    write_file(&target.join(CLUSTER_FILE), &for_routes(options.routes, &cluster, read(&cluster)?)?)?;
    let users = match &options.users {
        NatsUsers::Anyone => NO_USERS.to_owned(),
        NatsUsers::Project => read(&source.join(USERS_FILE))?,
        NatsUsers::Text(text) => text.clone(),
    };
    write_file(&target.join(USERS_FILE), &users)?;
    let project = if options.nodes == 1 { SINGLE_FILE } else { CLUSTER_FILE };
    let main = target.join(MAIN_FILE);
    write_file(&main, &format!("include '{project}'\n{}\n", options.further))?;
    Ok(main)
}

/// With links, nodes keep the addresses of clients to themselves: a client that
/// learned another one would leave the link it was given.
fn for_routes(routes: Routes, path: &Path, text: String) -> Result<String, StackError> {
    match routes {
        Routes::Direct => Ok(text),
        Routes::Linked if text.contains(CLUSTER_BLOCK) => {
            Ok(text.replacen(CLUSTER_BLOCK, &format!("{CLUSTER_BLOCK}  no_advertise: true\n"), 1))
        }
        Routes::Linked => Err(StackError::Setting(format!(
            "linked routes need a line `{}` in {}, and there is none",
            CLUSTER_BLOCK.trim(),
            path.display()
        ))),
    }
}

/// The ports by which one node knows the routes of the cluster.
#[derive(Debug)]
pub(crate) struct RoutePorts {
    /// Where it connects to.
    pub(crate) others: Vec<u16>,
    /// Where it says that it can be reached itself.
    pub(crate) advertised: u16,
}

/// The environment of one node.
pub(crate) fn environment(
    name: &str,
    own: &NodePorts,
    routes: &RoutePorts,
    store: &Path,
    options: &NatsOptions,
) -> Vec<(String, String)> {
    let urls: Vec<String> = routes.others.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
    let mut environment: Vec<(String, String)> = [
        ("NATS_SERVER_NAME", name.to_owned()),
        ("NATS_LISTEN", loopback(own.client.number())),
        ("NATS_HTTP", loopback(own.monitor.number())),
        ("NATS_ADVERTISE", loopback(own.client.number())),
        ("NATS_CLUSTER_LISTEN", loopback(own.route.number())),
        ("NATS_CLUSTER_ADVERTISE", loopback(routes.advertised)),
        ("NATS_CLUSTER_ROUTES", format!("[{}]", urls.join(","))),
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
fn loopback(port: u16) -> String {
    format!("\"127.0.0.1:{port}\"")
}

fn read(path: &Path) -> Result<String, StackError> {
    std::fs::read_to_string(path).map_err(StackError::file("read", path))
}

fn write_file(path: &Path, text: &str) -> Result<(), StackError> {
    std::fs::write(path, text).map_err(StackError::file("write", path))
}
