use std::cell::Cell;
use std::time::Duration;

use sea_mq_stack::LinkState;
use sea_mq_testkit::TestkitError;
use tokio::time::Instant;

use super::notice::Before;
use super::{Injected, Injection, Wound, made};
use crate::ground::{CONTEXTS, Ground, Sign};
use crate::{ChaosError, Planned};

/// An operator tries again when the cluster is still recovering from the fault before.
const PATIENCE: Duration = Duration::from_secs(20);
const BETWEEN: Duration = Duration::from_millis(500);

impl Ground {
    pub(super) async fn delete_consumer(&mut self, fault: &Planned) -> Result<Injection, ChaosError> {
        let (producer, consumer) = pair(fault);
        let stream = self.world.context(producer)?.name.event_stream();
        let durable = self.world.durable(consumer)?.to_owned();
        let jetstream = self.world.jetstream();
        let deleted = patiently("deleting the consumer", Gone::WillDo, async || {
            jetstream.delete_consumer_from_stream(&durable, &stream).await.map(drop)
        });
        match deleted.await {
            Ok(()) => made(durable, Wound::TopologyGone),
            Err(why) => Ok(Injection::Missed(why)),
        }
    }

    pub(super) async fn purge_stream(&mut self, fault: &Planned) -> Result<Injection, ChaosError> {
        let Some(producer) = self.unrepaired(fault) else { return Ok(under_repair()) };
        let stream = self.world.context(producer)?.name.event_stream();
        let consumer = consumer_of(producer);
        let before = self.before(Sign::Dropped, &stream, consumer).await;
        // Nobody records meanwhile, and what is on its way to them does not arrive.
        self.set_nats_of(consumer, LinkState::Refused);
        let purged = self.purge_with_news(&stream).await;
        self.set_nats_of(consumer, LinkState::Clear);
        match purged {
            Ok(()) => to_be_noticed(stream, Wound::StreamEmpty(producer), before),
            Err(why) => Ok(Injection::Missed(why)),
        }
    }

    /// Not before the stream has stored something since this was called.
    async fn purge_with_news(&self, stream: &str) -> Result<(), String> {
        let jetstream = self.world.jetstream();
        let reached = Cell::new(None);
        let purged = patiently("purging the stream", Gone::IsAnError, async || {
            let found = jetstream.get_stream(stream).await.map_err(|error| error.to_string())?;
            let last = found.cached_info().state.last_sequence;
            let first = reached.get().unwrap_or(last);
            reached.set(Some(first));
            if last <= first {
                return Err("nothing new was published to it".to_owned());
            }
            found.purge().await.map(drop).map_err(|error| error.to_string())
        });
        purged.await
    }

    /// Gone, and made again at once: what it held and what was published meanwhile is for the repair.
    pub(super) async fn recreate_stream(&mut self, fault: &Planned) -> Result<Injection, ChaosError> {
        let Some(producer) = self.unrepaired(fault) else { return Ok(under_repair()) };
        let stream = self.world.context(producer)?.name.event_stream();
        let before = self.before(Sign::Recreated, &stream, consumer_of(producer)).await;
        let jetstream = self.world.jetstream();
        let deleted = patiently("deleting the stream", Gone::WillDo, async || {
            jetstream.delete_stream(&stream).await.map(drop).map_err(|error| error.to_string())
        });
        if let Err(why) = deleted.await {
            return Ok(Injection::Missed(why));
        }
        self.apply_topology().await?;
        to_be_noticed(stream, Wound::StreamEmpty(producer), before)
    }

    /// The chosen context, or the other one while that one's stream is being repaired: what is emptied in
    /// the middle of its repair may come out of order, and nothing else is promised.
    fn unrepaired(&self, fault: &Planned) -> Option<&'static str> {
        let under_repair =
            |context: &str| self.repairs.iter().any(|(of, repair)| *of == context && !repair.is_finished());
        let (chosen, other) = pair(fault);
        [chosen, other].into_iter().find(|context| !under_repair(context))
    }

    pub(super) async fn apply_topology(&mut self) -> Result<(), ChaosError> {
        let applied =
            patiently("applying the topology", Gone::IsAnError, async || self.world.apply_topology().await);
        applied.await.map_err(|why| TestkitError::Unexpected(why).into())
    }
}

fn under_repair() -> Injection {
    Injection::Later("both event streams are being repaired".to_owned())
}

/// Who publishes and who consumes.
fn pair(fault: &Planned) -> (&'static str, &'static str) {
    let producer = fault.target % CONTEXTS.len();
    (CONTEXTS[producer], CONTEXTS[(producer + 1) % CONTEXTS.len()])
}

fn consumer_of(producer: &str) -> &'static str {
    let other = CONTEXTS.into_iter().find(|context| *context != producer);
    other.unwrap_or(CONTEXTS[0])
}

fn to_be_noticed(target: String, wound: Wound, before: Before) -> Result<Injection, ChaosError> {
    Ok(Injection::Made(Injected { target, wound, notice: Some(before.watch()) }))
}

/// What it means that the thing is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    WillDo,
    IsAnError,
}

/// Tries until it succeeds, or what was to be deleted is gone, or patience is at an end; then says why.
async fn patiently<E: std::fmt::Display>(
    doing: &str,
    gone: Gone,
    attempt: impl AsyncFn() -> Result<(), E>,
) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    let mut tries = 0;
    loop {
        tries += 1;
        match attempt().await {
            Ok(()) => return Ok(()),
            // The try before was carried out and its answer lost.
            Err(error) if tries > 1 && gone == Gone::WillDo && error.to_string().contains("not found") => {
                return Ok(());
            }
            Err(error) if Instant::now() >= deadline => return Err(format!("{doing}: {error}")),
            Err(_) => tokio::time::sleep(BETWEEN).await,
        }
    }
}
