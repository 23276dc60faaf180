use std::process::ExitStatus;
use std::sync::Weak;
use std::time::Duration;

use sea_mq_stack::{NatsCluster, Postgres, Process, StackError};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;
use crate::notice::Notices;

/// How often the servers are looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Nobody sees the servers' own logs, which would tell.
const RUNS_AGAIN: &str = "runs again";
/// What the server is called in notices.
pub(crate) const POSTGRES: &str = "postgres";

/// Starts Postgres again, on the same port and data, whenever it ends; returns when the server is
/// dropped, or, with nothing of the system able to work any more, when it cannot be started: `gone`
/// then says why.
pub(crate) async fn keep_postgres(
    server: Weak<Mutex<Postgres>>,
    notices: Notices,
    gone: watch::Sender<Option<String>>,
) {
    let mut backoff = Backoff::now();
    while let Some(postgres) = server.upgrade() {
        if let Err(error) = keep_running(&postgres, &mut backoff, &notices).await {
            notices.program(POSTGRES, "cannot be started again");
            gone.send_replace(Some(error.to_string()));
            return;
        }
        drop(postgres);
        sleep(LOOK).await;
    }
}

async fn keep_running(
    postgres: &Mutex<Postgres>,
    backoff: &mut Backoff,
    notices: &Notices,
) -> Result<(), StackError> {
    let mut postgres = postgres.lock().await;
    let Some(status) = ended(postgres.process()).await else { return Ok(()) };
    let wait = backoff.ended();
    notices.ended(POSTGRES, status, wait);
    sleep(wait).await;
    backoff.started();
    postgres.restart().await?;
    notices.program(POSTGRES, RUNS_AGAIN);
    Ok(())
}

/// Starts each NATS node again, on the same ports and store, whenever it ends; returns when the
/// cluster is dropped. A node alone may not become healthy, so nobody waits for that.
pub(crate) async fn keep_nats(cluster: Weak<Mutex<NatsCluster>>, notices: Notices) {
    let mut nodes: Vec<Node> = Vec::new();
    while let Some(cluster) = cluster.upgrade() {
        look_at_all(&cluster, &mut nodes, &notices).await;
        drop(cluster);
        sleep(LOOK).await;
    }
}

async fn look_at_all(cluster: &Mutex<NatsCluster>, nodes: &mut Vec<Node>, notices: &Notices) {
    let mut cluster = cluster.lock().await;
    nodes.resize_with(cluster.nodes().len(), Node::default);
    for (index, node) in nodes.iter_mut().enumerate() {
        node.look(&mut cluster, index, notices).await;
    }
}

/// What is known of a NATS node from look to look.
struct Node {
    backoff: Backoff,
    /// It has ended, and is started again then.
    due: Option<Instant>,
}

impl Default for Node {
    fn default() -> Self {
        Self { backoff: Backoff::now(), due: None }
    }
}

impl Node {
    async fn look(&mut self, cluster: &mut NatsCluster, index: usize, notices: &Notices) {
        let node = cluster.node(index);
        let Some(status) = ended(node.process()).await else { return };
        let name = node.name().to_owned();
        match self.due {
            None => {
                let wait = self.backoff.ended();
                notices.ended(&name, status, wait);
                self.due = Some(Instant::now() + wait);
            }
            Some(due) if Instant::now() < due => {}
            Some(_due) => {
                self.due = None;
                self.backoff.started();
                match node.launch_again().await {
                    Ok(()) => notices.program(&name, RUNS_AGAIN),
                    Err(error) => notices.program(&name, error.to_string()),
                }
            }
        }
    }
}

/// How it ended, if it has.
async fn ended(process: &Process) -> Option<ExitStatus> {
    if process.is_running() { None } else { Some(process.wait().await) }
}
