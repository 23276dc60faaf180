use std::ops::DerefMut;

use sea_mq_stack::Process;

use crate::ChaosError;

/// A process that faults kill, keep down and freeze, and that must not end otherwise.
pub(super) struct Victim<P> {
    /// `None` while a fault keeps it down.
    process: Option<P>,
}

impl<P: DerefMut<Target = Process>> Victim<P> {
    pub(super) fn down() -> Self {
        Self { process: None }
    }

    /// It runs (again). One that was still there is killed.
    pub(super) fn up(&mut self, process: P) {
        self.process = Some(process);
    }

    /// Takes it down without ending it.
    pub(super) fn take(&mut self) -> Option<P> {
        self.process.take()
    }

    pub(super) fn process(&self) -> Option<&P> {
        self.process.as_ref()
    }

    pub(super) async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await;
        }
    }

    pub(super) async fn freeze(&mut self) -> Result<(), ChaosError> {
        match &mut self.process {
            Some(process) => Ok(process.freeze().await?),
            None => Ok(()),
        }
    }

    pub(super) async fn thaw(&mut self) -> Result<(), ChaosError> {
        match &mut self.process {
            Some(process) => Ok(process.thaw().await?),
            None => Ok(()),
        }
    }

    /// How it ended, if no fault did it.
    pub(super) async fn ended_by_itself(&self) -> Option<String> {
        let process = self.process.as_ref().filter(|process| !process.is_running())?;
        let status = process.wait().await;
        Some(format!("{} ended by itself ({status}): {}", process.name(), process.last_lines()))
    }
}
