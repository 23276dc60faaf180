use sea_mq_stack::Disk;
use tokio::time::Instant;

use super::nodes::names;
use super::{Injection, Wound, made};
use crate::ChaosError;
use crate::ground::Ground;

impl Ground {
    pub(super) async fn fill_disk_of_postgres(&mut self) -> Result<Injection, ChaosError> {
        let Some(disk) = self.world.postgres()?.disk() else { return Ok(self.no_disk()) };
        disk.fill().await?;
        self.postgres.keep_down();
        made("postgres", Wound::DiskOfPostgres)
    }

    pub(super) async fn fill_disk_of_node(&mut self, node: usize) -> Result<Injection, ChaosError> {
        let Some(disk) = self.world.nats()?.node(node).disk() else { return Ok(self.no_disk()) };
        disk.fill().await?;
        made(names(&[node]), Wound::DiskOfNode(node))
    }

    /// It ends when it cannot write its log any more, and is started again as its supervisor would; also
    /// when it ends only after this.
    pub(super) async fn free_disk_of_postgres(&mut self) -> Result<(), ChaosError> {
        let postgres = self.world.postgres()?;
        postgres.disk().map(Disk::free).transpose()?;
        self.postgres.disk_freed(Instant::now());
        if !postgres.process().is_running() {
            postgres.restart().await?;
        }
        Ok(())
    }

    /// A node that was out of space serves no streams until it is started again.
    pub(super) async fn free_disk_of_node(&mut self, node: usize) -> Result<(), ChaosError> {
        let node = self.world.nats()?.node(node);
        node.disk().map(Disk::free).transpose()?;
        Ok(node.launch_again().await?)
    }

    fn no_disk(&self) -> Injection {
        let why = self.disks_refused.clone();
        Injection::NotAllowed(why.unwrap_or_else(|| "there is no disk of its own".to_owned()))
    }
}
