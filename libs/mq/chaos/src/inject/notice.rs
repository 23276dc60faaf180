use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::ground::{Ground, Life, Sign};

/// A consumer looks every 5 s whether its stream is the same; other faults may hold it up, and the machine
/// may be busy.
pub(crate) const NOTICE_LIMIT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What the workers of a context had counted before their stream is tampered with.
pub(super) struct Before {
    context: &'static str,
    stream: String,
    sign: Sign,
    workers: Vec<(Life, f64)>,
}

/// A watch for a context's noticing what was done to its stream. It goes on beside further faults, for
/// [`NOTICE_LIMIT`] at most.
#[derive(Debug)]
pub(crate) struct Notice {
    context: &'static str,
    stream: String,
    sign: Sign,
    /// After what time it was noticed.
    watch: JoinHandle<Option<Duration>>,
}

impl Ground {
    /// To be called before anything is done.
    pub(super) async fn before(&self, sign: Sign, stream: &str, context: &'static str) -> Before {
        let mut workers = Vec::new();
        for worker in self.workers.iter().filter(|worker| worker.context() == context) {
            let life = worker.life();
            let total = life.total(sign).await;
            workers.push((life, total));
        }
        Before { context, stream: stream.to_owned(), sign, workers }
    }
}

impl Before {
    /// From now on it has to be noticed.
    pub(super) fn watch(self) -> Notice {
        let Self { context, stream, sign, workers } = self;
        let began = Instant::now();
        let watch = tokio::spawn(async move {
            while began.elapsed() < NOTICE_LIMIT {
                for (life, before) in &workers {
                    if life.total(sign).await > *before {
                        return Some(began.elapsed());
                    }
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            None
        });
        Notice { context, stream, sign, watch }
    }
}

impl Notice {
    pub(crate) fn is_decided(&self) -> bool {
        self.watch.is_finished()
    }

    /// After what time it was noticed, or what is wrong. `fault` names the fault with its time.
    pub(crate) async fn decide(self, fault: &str) -> Result<Duration, String> {
        match self.watch.await {
            Ok(Some(after)) => Ok(after),
            Ok(None) => Err(format!(
                "context {} has not noticed within {} s what {fault} did to {}, which it consumes: no worker of it \
                 has counted {}",
                self.context,
                NOTICE_LIMIT.as_secs(),
                self.stream,
                self.sign.metric()
            )),
            Err(error) => {
                Err(format!("nobody could watch whether {} noticed {fault}: {error}", self.context))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::{Notice, Sign};

    fn notice(seen: Option<Duration>) -> Notice {
        let watch = tokio::spawn(async move { seen });
        Notice { context: "sea", stream: "VIBESPRO_EVENTS".to_owned(), sign: Sign::Dropped, watch }
    }

    #[tokio::test]
    async fn what_nobody_noticed_is_told_with_stream_context_fault_and_time() {
        let noticed = notice(Some(Duration::from_secs(3)));
        assert_eq!(noticed.decide("purge-stream at 1:05").await.unwrap(), Duration::from_secs(3));
        let missed = notice(None).decide("purge-stream at 1:05").await.unwrap_err();
        for named in ["VIBESPRO_EVENTS", "context sea", "purge-stream at 1:05", "stream_dropped_total"] {
            assert!(missed.contains(named), "{named}: {missed}");
        }
    }
}
