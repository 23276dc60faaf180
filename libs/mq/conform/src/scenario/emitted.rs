//! What the handler puts into the outbox because of the first event.

use super::Outcome;
use crate::ConformError;
use crate::database::Emitted;
use crate::message::Message;
use crate::probe::Probe;
use crate::verdict::Verdict;

/// What the first event made the handler emit.
pub(crate) struct FirstEmitted {
    rows: Vec<Emitted>,
    /// Rows that came meanwhile and say nothing of it.
    strangers: i64,
}

impl FirstEmitted {
    pub(crate) async fn look(probe: &Probe, message: &Message) -> Result<Self, ConformError> {
        let rows = probe.database.emitted(message).await?;
        let all = probe.database.came_since().await?;
        let strangers = all - i64::try_from(rows.len()).unwrap_or_default();
        Ok(Self { rows, strangers })
    }

    pub(crate) fn count(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn correlation(&self, message: &Message) -> Outcome {
        Ok(self.all(|row| row.correlation_id == message.correlation, |row| row.correlation_id.to_string()))
    }

    pub(crate) fn causation(&self, message: &Message) -> Outcome {
        if self.rows.is_empty() && self.strangers > 0 {
            return Ok(Verdict::Failed(format!(
                "{} events came into the outbox meanwhile, and none carries an id of the call (if others write to \
                 this outbox now, try again when it is quiet)",
                self.strangers
            )));
        }
        let said = |row: &Emitted| row.causation_id.map_or_else(|| "none".to_owned(), |id| id.to_string());
        Ok(self.all(|row| row.causation_id == Some(message.id), said))
    }

    pub(crate) fn trace(&self, message: &Message) -> Outcome {
        let carries = |row: &Emitted| row.trace_id.as_ref().is_some_and(|said| said.contains(&message.trace));
        Ok(self.all(carries, |row| row.trace_id.clone().unwrap_or_else(|| "none".to_owned())))
    }

    fn all(&self, right: impl Fn(&Emitted) -> bool, said: impl Fn(&Emitted) -> String) -> Verdict {
        if self.rows.is_empty() {
            let why = "the event made the handler emit nothing; choose one that does";
            return Verdict::NotApplicable(why.to_owned());
        }
        let wrong = self.rows.iter().find(|row| !right(row));
        wrong.map_or(Verdict::Passed, |row| Verdict::Failed(said(row)))
    }
}
