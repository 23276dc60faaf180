//! What the book tells the database: rows that go behind others, that are deferred, that are needed.

use std::time::Duration;

use futures::future::BoxFuture;
use sea_mq_inbox::{AggregateKey, Inbox, InboxError, QueuedRow};
use uuid::Uuid;

use super::book::{LOAD, Order};
use super::{GROUP, Running, pause_on_error};
use crate::leases::is_valid;

/// How long rows of a failing type wait that are not needed as probes.
const DEFER: Duration = Duration::from_secs(10);

/// Orders, of which the first group was carried out, and what it brought.
pub(super) type Ordered = (Vec<Order>, Result<Option<Vec<QueuedRow>>, InboxError>);

impl Running {
    pub(super) fn start_ordering(&mut self) {
        if self.slots.ordering.is_some() || !is_valid(&self.d.leases.now()) {
            return;
        }
        let orders = {
            let mut book = self.d.shared.book();
            book.defer_failing();
            book.take_orders(GROUP)
        };
        if orders.is_empty() {
            return;
        }
        self.slots.ordering = Some(carry_out(self.d.inbox.clone(), self.instance, orders));
    }

    pub(super) fn ordered(&mut self, (orders, result): Ordered) {
        match result {
            Ok(loaded) => {
                let (done, rest) = orders.split_at(group_of(&orders));
                self.d.shared.book().carried_out(done);
                if let (Some(rows), Some(Order::Load { key, number, .. })) = (loaded, done.first()) {
                    self.d.shared.book().loaded(key, *number, rows);
                }
                if !rest.is_empty() {
                    self.slots.ordering = Some(carry_out(self.d.inbox.clone(), self.instance, rest.to_vec()));
                }
            }
            Err(error) => {
                self.database_waits(&error);
                self.slots.ordering = Some(carry_out(self.d.inbox.clone(), self.instance, orders));
            }
        }
    }
}

/// How many of the first orders go into one statement: those of the first one's kind.
fn group_of(orders: &[Order]) -> usize {
    let same = |order: &&Order| match (orders.first(), order) {
        (Some(Order::PutBehind(_)), Order::PutBehind(_)) | (Some(Order::Defer(_)), Order::Defer(_)) => true,
        (Some(Order::PutBehind(_) | Order::Defer(_) | Order::Load { .. }) | None, _) => false,
    };
    orders.iter().take_while(same).count().max(1)
}

/// Carries the first group of orders out.
fn carry_out(inbox: Inbox, instance: Uuid, orders: Vec<Order>) -> BoxFuture<'static, Ordered> {
    Box::pin(async move {
        let count = group_of(&orders);
        let ids: Vec<Uuid> = orders[..count]
            .iter()
            .filter_map(|order| match order {
                Order::PutBehind(id) | Order::Defer(id) => Some(*id),
                Order::Load { .. } => None,
            })
            .collect();
        let limit = i64::try_from(LOAD).unwrap_or(i64::MAX);
        let result = match orders.first() {
            Some(Order::PutBehind(_)) => inbox.put_behind(instance, &ids).await.map(|()| None),
            Some(Order::Defer(_)) => inbox.defer(instance, &ids, DEFER).await.map(|()| None),
            Some(Order::Load { lane, key: AggregateKey::Aggregate(kind, id), .. }) => {
                inbox.behind(*lane, kind.as_deref(), id, limit).await.map(Some)
            }
            Some(Order::Load { key: AggregateKey::Single(_), .. }) => Ok(Some(Vec::new())),
            None => Ok(None),
        };
        pause_on_error(result.is_err()).await;
        (orders, result)
    })
}
