//! The kinds of fault.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::ChaosError;

/// A way of breaking the running system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// SIGKILL to one worker.
    KillWorker,
    /// SIGSTOP to one worker, for longer than its lease lasts.
    FreezeWorker,
    /// SIGKILL to one handler service.
    KillHandler,
    /// SIGSTOP to one handler service.
    FreezeHandler,
    /// SIGKILL to Postgres.
    KillPostgres,
    /// SIGSTOP to Postgres.
    FreezePostgres,
    /// SIGKILL to one NATS node.
    KillNode,
    /// SIGSTOP to one NATS node.
    FreezeNode,
    /// SIGKILL to the node that leads an event stream.
    KillLeader,
    /// SIGSTOP to the node that leads an event stream.
    FreezeLeader,
    /// SIGKILL to every NATS node at once.
    KillAllNodes,
    /// SIGSTOP to every NATS node at once.
    FreezeAllNodes,
    /// One worker cannot reach NATS.
    CutWorkerFromNats,
    /// One worker cannot reach Postgres.
    CutWorkerFromPostgres,
    /// One NATS node cannot reach the two others.
    CutNodes,
    /// Every link of the workers is slow.
    SlowLinks,
    /// Every link of the workers loses packets.
    LossyLinks,
    /// The links between NATS nodes are slow.
    SlowNodes,
    /// The links between NATS nodes lose packets.
    LossyNodes,
    /// A NATS node loses its disk.
    WipeNode,
    /// The disk of a NATS node is full.
    FullDiskNats,
    /// The disk of Postgres is full.
    FullDiskPostgres,
    /// An operator deletes a durable consumer.
    DeleteConsumer,
    /// An operator purges an event stream.
    PurgeStream,
    /// An operator deletes an event stream and makes it anew.
    RecreateStream,
    /// The wall clock of one worker jumps.
    ClockJump,
    /// The schema is migrated under the running workers, which are then replaced one by one.
    RollingMigration,
}

impl FaultKind {
    /// Every kind, in a fixed order.
    pub const ALL: [Self; 27] = [
        Self::KillWorker,
        Self::FreezeWorker,
        Self::KillHandler,
        Self::FreezeHandler,
        Self::KillPostgres,
        Self::FreezePostgres,
        Self::KillNode,
        Self::FreezeNode,
        Self::KillLeader,
        Self::FreezeLeader,
        Self::KillAllNodes,
        Self::FreezeAllNodes,
        Self::CutWorkerFromNats,
        Self::CutWorkerFromPostgres,
        Self::CutNodes,
        Self::SlowLinks,
        Self::LossyLinks,
        Self::SlowNodes,
        Self::LossyNodes,
        Self::WipeNode,
        Self::FullDiskNats,
        Self::FullDiskPostgres,
        Self::DeleteConsumer,
        Self::PurgeStream,
        Self::RecreateStream,
        Self::ClockJump,
        Self::RollingMigration,
    ];

    /// Its name on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::KillWorker => "kill-worker",
            Self::FreezeWorker => "freeze-worker",
            Self::KillHandler => "kill-handler",
            Self::FreezeHandler => "freeze-handler",
            Self::KillPostgres => "kill-postgres",
            Self::FreezePostgres => "freeze-postgres",
            Self::KillNode => "kill-node",
            Self::FreezeNode => "freeze-node",
            Self::KillLeader => "kill-leader",
            Self::FreezeLeader => "freeze-leader",
            Self::KillAllNodes => "kill-all-nodes",
            Self::FreezeAllNodes => "freeze-all-nodes",
            Self::CutWorkerFromNats => "cut-worker-from-nats",
            Self::CutWorkerFromPostgres => "cut-worker-from-postgres",
            Self::CutNodes => "cut-nodes",
            Self::SlowLinks => "slow-links",
            Self::LossyLinks => "lossy-links",
            Self::SlowNodes => "slow-nodes",
            Self::LossyNodes => "lossy-nodes",
            Self::WipeNode => "wipe-node",
            Self::FullDiskNats => "full-disk-nats",
            Self::FullDiskPostgres => "full-disk-postgres",
            Self::DeleteConsumer => "delete-consumer",
            Self::PurgeStream => "purge-stream",
            Self::RecreateStream => "recreate-stream",
            Self::ClockJump => "clock-jump",
            Self::RollingMigration => "rolling-migration",
        }
    }

    /// How long it lasts before it is healed, milliseconds. What lasts no time is over once it is done.
    pub(crate) fn lasts_ms(self) -> RangeInclusive<u64> {
        match self {
            Self::KillWorker | Self::KillHandler | Self::KillPostgres | Self::KillNode | Self::KillLeader => {
                0..=4_000
            }
            Self::KillAllNodes | Self::FreezeAllNodes | Self::WipeNode => 1_000..=4_000,
            // A lease lasts some seconds, and so does a leader that is not heard of: some of these outlive
            // that, and some do not.
            Self::FreezeWorker
            | Self::CutWorkerFromNats
            | Self::CutWorkerFromPostgres
            | Self::FreezeNode
            | Self::FreezeLeader => 1_000..=9_000,
            Self::FreezeHandler | Self::FreezePostgres => 1_000..=7_000,
            Self::CutNodes | Self::SlowLinks | Self::LossyLinks | Self::SlowNodes | Self::LossyNodes => {
                3_000..=8_000
            }
            Self::FullDiskNats | Self::FullDiskPostgres => 2_000..=6_000,
            Self::ClockJump => 3_000..=8_000,
            Self::DeleteConsumer | Self::PurgeStream | Self::RecreateStream | Self::RollingMigration => {
                0..=1_000
            }
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FaultKind {
    type Err = ChaosError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| ChaosError::UnknownFault { name: text.to_owned() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::FaultKind;

    #[test]
    fn every_kind_has_a_name_of_its_own_that_reads_back() {
        let names: BTreeSet<&str> = FaultKind::ALL.into_iter().map(FaultKind::name).collect();
        assert_eq!(names.len(), FaultKind::ALL.len());
        for kind in FaultKind::ALL {
            assert_eq!(kind.name().parse::<FaultKind>().unwrap(), kind);
        }
        assert!("kill-everything".parse::<FaultKind>().unwrap_err().to_string().contains("kill-worker"));
    }
}
