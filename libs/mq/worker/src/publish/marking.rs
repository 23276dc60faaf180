//! Acknowledged rows are marked published, in groups.

use std::time::Duration;

use sea_mq_observe::metric;
use sea_mq_outbox::{OutboxError, Published};

use super::Running;
use super::acks::Group;
use crate::leases::in_one_line;

/// Rows marked by one statement.
const GROUP: usize = 2000;
/// How long nothing is marked after the database failed.
const PAUSE: Duration = Duration::from_millis(250);

/// A mark that has ended.
pub(super) struct Marked {
    group: Group,
    result: Result<u64, OutboxError>,
}

impl Running {
    pub(super) fn start_marking(&mut self) {
        if self.marking.is_some() {
            return;
        }
        let Some(group) = self.acks.next_group(GROUP) else { return };
        let (outbox, stream) = (self.publisher.outbox.clone(), self.publisher.settings.stream.clone());
        self.marking = Some(Box::pin(async move {
            let published: Vec<Published> = group.rows.iter().map(|r| r.row).collect();
            let result = outbox.mark_published(&stream, group.incarnation, &published).await;
            if result.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
            Marked { group, result }
        }));
    }

    pub(super) fn marked(&mut self, Marked { group, result }: Marked) {
        match result {
            Ok(count) => {
                metric::outbox_published_total().increment(count);
                let rows: Vec<(i16, i64)> = group.rows.iter().map(|r| (r.lane, r.seq)).collect();
                self.book.marked(&rows);
            }
            Err(error) => {
                // Stored already: only the mark is tried again.
                tracing::warn!(
                    error = in_one_line(&error),
                    "waiting for the database to mark events published"
                );
                let void = self.acks.again(group);
                self.book.unstored(&void);
            }
        }
    }
}
