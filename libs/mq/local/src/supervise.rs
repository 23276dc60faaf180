use std::process::ExitStatus;
use std::time::Duration;

use sea_mq_stack::{Process, StateDir};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::notice::Notices;
use crate::program::Plan;

/// How often new lines of a program's log are handed on.
const LOG_EVERY: Duration = Duration::from_millis(100);
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// The first restart comes at once, almost; each further one twice as late.
const RESTART_FIRST: Duration = Duration::from_millis(250);
const RESTART_LAST: Duration = Duration::from_secs(8);
/// A program that ran so long starts counting anew.
const STEADY: Duration = Duration::from_secs(20);
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
        let keeping = Keeping { plan, state: state.clone(), notices, orders: received, failures: 0 };
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
    failures: u32,
}

/// Why a run of the program is over.
enum Over {
    Ended(ExitStatus),
    Killed,
    Stopped,
}

impl Keeping {
    async fn run(mut self) {
        loop {
            let started = Instant::now();
            match self.plan.launch.clone().start(&self.state).await {
                Ok(process) => match self.watch(process).await {
                    Over::Stopped => return,
                    Over::Killed => self.notices.program(&self.plan.name, "was killed"),
                    Over::Ended(status) => self.notices.program(&self.plan.name, format!("ended ({status})")),
                },
                Err(error) => self.notices.program(&self.plan.name, format!("does not start: {error}")),
            }
            self.failures = if started.elapsed() > STEADY { 0 } else { self.failures + 1 };
            if self.stopped_during(restart_wait(self.failures)).await {
                return;
            }
            self.notices.program(&self.plan.name, "is started again");
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

fn restart_wait(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    RESTART_FIRST.saturating_mul(1 << doublings).min(RESTART_LAST)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::restart_wait;

    #[test]
    fn restarts_come_later_each_time_up_to_a_limit() {
        let millis = |failures| restart_wait(failures).as_millis();
        assert_eq!([0, 1, 2, 3].map(millis), [250, 250, 500, 1000]);
        assert_eq!(restart_wait(u32::MAX), Duration::from_secs(8));
    }
}
