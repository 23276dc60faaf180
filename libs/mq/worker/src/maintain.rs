//! Gauges, and the one component that deletes finished rows.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use sea_mq_config::{RetentionSettings, Subscription};
use sea_mq_inbox::Inbox;
use sea_mq_observe::{Health, Status, metric};
use sea_mq_outbox::{Outbox, ROLE};
use sea_mq_stream::Broker;
use tokio_util::sync::CancellationToken;

use crate::leases::{Leases, in_one_line};

const GAUGES_EVERY: Duration = Duration::from_secs(2);
const GAUGES_AT_LEAST_EVERY: Duration = Duration::from_secs(30);
const CLEAN_EVERY: Duration = Duration::from_secs(30);
/// Rows deleted by one statement: short enough to disturb nobody.
const CLEAN_GROUP: i32 = 2000;
/// Between two deletions, so many times what the last one took: others need the server as well.
const CLEAN_PAUSE: u32 = 2;
/// Gauges count no further than this: a backlog beyond it is alarming whatever its size.
const COUNT_BOUND: i64 = 200_000;
/// Between two counts, so many times what the last one took: a long backlog is counted less often.
const COUNT_PAUSE: u32 = 20;

/// What maintenance works with.
pub(crate) struct Maintenance {
    pub(crate) outbox: Outbox,
    pub(crate) inboxes: Vec<Inbox>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) retention: RetentionSettings,
    pub(crate) publishing: Broker,
    pub(crate) consuming: Broker,
    pub(crate) leases: Leases,
    pub(crate) health: Health,
}

impl Maintenance {
    pub(crate) async fn run(self, stop: CancellationToken) {
        let pulse = self.health.pulse("maintenance", Duration::from_secs(300));
        let connections = async {
            loop {
                pulse.beat();
                self.look_at_connections();
                tokio::time::sleep(GAUGES_EVERY).await;
            }
        };
        let gauges = async {
            loop {
                let began = Instant::now();
                self.gauges().await;
                let pause = began.elapsed() * COUNT_PAUSE;
                tokio::time::sleep(pause.clamp(GAUGES_EVERY, GAUGES_AT_LEAST_EVERY)).await;
            }
        };
        let cleaning = async {
            loop {
                self.clean_up().await;
                tokio::time::sleep(CLEAN_EVERY).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = connections => {}
            () = gauges => {}
            () = cleaning => {}
        }
        pulse.retire();
    }

    fn look_at_connections(&self) {
        let connected = self.publishing.is_connected() && self.consuming.is_connected();
        metric::broker_connected().set(if connected { 1.0 } else { 0.0 });
        let status = if connected { Status::Up } else { Status::down("not connected") };
        self.health.set("nats", status);
    }

    async fn gauges(&self) {
        match self.outbox.backlog(COUNT_BOUND).await {
            Ok(backlog) => {
                metric::outbox_unpublished_count().set(as_gauge(backlog.unpublished));
                metric::outbox_parked_count().set(as_gauge(backlog.parked));
                metric::outbox_oldest_unpublished_age_seconds().set(backlog.oldest_age.as_secs_f64());
            }
            Err(error) => tracing::debug!(error = in_one_line(&error), "the outbox was not counted"),
        }
        for (inbox, subscription) in self.inboxes.iter().zip(&self.subscriptions) {
            self.consumer_gauges(inbox, subscription).await;
        }
    }

    async fn consumer_gauges(&self, inbox: &Inbox, subscription: &Subscription) {
        let consumer = || inbox.consumer().to_owned();
        match inbox.counts(COUNT_BOUND).await {
            Ok(counts) => {
                metric::inbox_unprocessed_count(consumer()).set(as_gauge(counts.active + counts.waiting));
                metric::inbox_waiting_count(consumer()).set(as_gauge(counts.waiting));
            }
            Err(error) => tracing::debug!(error = in_one_line(&error), "the inbox was not counted"),
        }
        if !connected(&self.consuming) {
            return;
        }
        match self.consuming.consumer_info(&subscription.stream, &subscription.durable).await {
            Ok(facts) => {
                let number = |n: u64| as_gauge(i64::try_from(n).unwrap_or(i64::MAX));
                metric::jetstream_consumer_num_pending(consumer()).set(number(facts.num_pending));
                metric::consumer_ack_pending(consumer()).set(number(facts.num_ack_pending));
                metric::stream_messages_pending(consumer())
                    .set(number(facts.num_pending.saturating_add(facts.num_ack_pending)));
            }
            Err(error) => tracing::debug!(error = in_one_line(&error), "the durable was not looked at"),
        }
    }

    /// One instance cleans: the one that publishes the first lane.
    async fn clean_up(&self) {
        if !self.leases.now().of(ROLE).any(|lease| lease.lane == 0) {
            return;
        }
        let retention = &self.retention;
        match all_groups(|| Box::pin(self.outbox.clean_up(retention.outbox, CLEAN_GROUP))).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "deleted published outbox rows past their retention"),
            Err(error) => tracing::warn!(error = in_one_line(&error), "the outbox was not cleaned up"),
        }
        if let Some(inbox) = self.inboxes.first() {
            match all_groups(|| Box::pin(inbox.clean_up(retention.inbox, CLEAN_GROUP))).await {
                Ok(0) => {}
                Ok(rows) => tracing::info!(rows, "deleted finished inbox rows past their retention"),
                Err(error) => tracing::warn!(error = in_one_line(&error), "the inbox was not cleaned up"),
            }
        }
    }
}

/// Deletes group after group while they come back full; returns how many rows.
async fn all_groups<'a, E>(delete: impl Fn() -> BoxFuture<'a, Result<i64, E>>) -> Result<i64, E> {
    let mut rows = 0;
    loop {
        let began = Instant::now();
        let group = delete().await?;
        rows += group;
        if group < i64::from(CLEAN_GROUP) {
            return Ok(rows);
        }
        tokio::time::sleep(began.elapsed() * CLEAN_PAUSE).await;
    }
}

fn connected(broker: &Broker) -> bool {
    broker.is_connected()
}

fn as_gauge(count: i64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
