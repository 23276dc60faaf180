use std::process::ExitStatus;
use std::time::Duration;

use sea_mq_stack::{Process, StackError, StateDir};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;
use crate::notice::Notices;
use crate::program::Plan;

/// How often new lines of a program's log are handed on.
const LOG_EVERY: Duration = Duration::from_millis(100);
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// uvicorn ends with the signal itself once it has shut down in order.
const SIGTERM: i32 = 15;

/// A program that is kept running.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) name: String,
    pub(crate) port: u16,
    orders: mpsc::UnboundedSender<Order>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
enum Order {
    /// SIGKILL; answered when it is gone.
    Kill(oneshot::Sender<()>),
    /// SIGTERM, and no restart; answered with what was not in order.
    Stop(oneshot::Sender<Option<String>>),
}

impl Kept {
    /// Starts it now, and again whenever it ends.
    pub(crate) fn keep(plan: Plan, state: &StateDir, notices: Notices) -> Self {
        let (orders, received) = mpsc::unbounded_channel();
        let (name, port) = (plan.name.clone(), plan.port);
        let keeping = Keeping { plan, state: state.clone(), notices, orders: received };
        Self { name, port, orders, task: tokio::spawn(keeping.run()) }
    }

    /// SIGKILL; it is started again.
    pub(crate) async fn kill(&self) {
        let (done, gone) = oneshot::channel();
        if self.orders.send(Order::Kill(done)).is_ok() {
            // No answer: it had ended by itself.
            drop(gone.await);
        }
    }

    /// SIGTERM, and waits for its end; what was not in order, if anything.
    pub(crate) fn stop(&self) -> impl Future<Output = Option<String>> + Send + use<> {
        let orders = self.orders.clone();
        async move {
            let (done, gone) = oneshot::channel();
            orders.send(Order::Stop(done)).ok()?;
            gone.await.ok().flatten()
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Keeping {
    plan: Plan,
    state: StateDir,
    notices: Notices,
    orders: mpsc::UnboundedReceiver<Order>,
}

/// Why a run of the program is over.
enum Over {
    NotStarted(StackError),
    Ended(ExitStatus),
    Killed,
    Stopped,
}

impl Keeping {
    async fn run(mut self) {
        let mut backoff = Backoff::now();
        loop {
            backoff.started();
            let (over, wait) = match self.plan.launch.clone().start(&self.state).await {
                Ok(process) => (self.watch(process).await, backoff.ended()),
                Err(error) => (Over::NotStarted(error), backoff.ended()),
            };
            let name = &self.plan.name;
            match over {
                Over::Stopped => return,
                Over::Killed => {
                    self.notices.program(name, format!("was killed; it is started again in {wait:?}"));
                }
                Over::Ended(status) => self.notices.ended(name, status, wait),
                Over::NotStarted(error) => {
                    self.notices.program(name, format!("{error}; tried again in {wait:?}"));
                }
            }
            if self.stopped_during(wait).await {
                return;
            }
        }
    }

    /// Hands its lines on until it ends or an order ends it.
    async fn watch(&mut self, mut process: Process) -> Over {
        let over = loop {
            tokio::select! {
                status = process.wait() => break Over::Ended(status),
                order = self.orders.recv() => match order {
                    Some(Order::Kill(done)) => {
                        process.kill().await;
                        let _ = done.send(());
                        break Over::Killed;
                    }
                    Some(Order::Stop(done)) => {
                        let problem = stop(&process).await;
                        self.hand_on(&process);
                        let _ = done.send(problem);
                        break Over::Stopped;
                    }
                    // Whoever kept it is gone.
                    None => break Over::Stopped,
                },
                () = sleep(LOG_EVERY) => self.hand_on(&process),
            }
        };
        self.hand_on(&process);
        over
    }

    fn hand_on(&self, process: &Process) {
        for line in process.new_lines() {
            self.notices.line(&self.plan.name, line);
        }
    }

    /// Waits before the next start; true when it is not to be started any more.
    async fn stopped_during(&mut self, wait: Duration) -> bool {
        let end = Instant::now() + wait;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(end) => return false,
                order = self.orders.recv() => match order {
                    Some(Order::Kill(done)) => { let _ = done.send(()); },
                    Some(Order::Stop(done)) => {
                        let _ = done.send(None);
                        return true;
                    }
                    None => return true,
                },
            }
        }
    }
}

/// What was not in order, if anything.
async fn stop(process: &Process) -> Option<String> {
    if process.terminate().await.is_err() {
        return None;
    }
    let status = match process.wait_within(STOP_LIMIT).await {
        Ok(status) => status,
        Err(error) => return Some(error.to_string()),
    };
    let by_signal = std::os::unix::process::ExitStatusExt::signal(&status) == Some(SIGTERM);
    let in_order = status.success() || by_signal;
    (!in_order).then(|| format!("{} ({status}):\n{}", process.name(), process.last_lines()))
}
