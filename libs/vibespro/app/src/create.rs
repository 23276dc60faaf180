use vibespro_domain::{Description, NewVibe, Title, UserId, Vibe, VibeId};
use vibespro_ports::{Clock, Ids, Operation, Receipt, Vibes, WriteError};

use crate::call::receipt;
use crate::fingerprint::fingerprint;
use crate::gather::Gather;
use crate::use_cases::{forgotten, replay};
use crate::{AppError, Call, Done, UseCases};

/// Creates a vibe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateVibe {
    /// Whose.
    pub user_id: String,
    /// Its title.
    pub title: String,
    /// Its description.
    pub description: String,
}

impl<S: Vibes, C: Clock, I: Ids> UseCases<S, C, I> {
    /// Creates. Emits `vibe_created.v1`.
    ///
    /// # Errors
    /// [`AppError::Invalid`], [`AppError::UnknownUser`], [`AppError::KeyReused`], [`AppError::Store`].
    pub async fn create_vibe(&self, command: CreateVibe, call: Call) -> Result<Done<Vibe>, AppError> {
        let (new, receipt) = check(&command, &call, self.ids.vibe_id())?;
        let change = Vibe::create(new, self.clock.now());
        match self.store.create(&change, receipt.as_ref(), &call.origin()).await {
            Ok(vibe) => Ok(Done::now(vibe)),
            Err(WriteError::UnknownUser) => Err(AppError::UnknownUser(command.user_id)),
            Err(WriteError::Store(error)) => Err(error.into()),
            Err(WriteError::KeyTaken | WriteError::UnknownVibe | WriteError::Stale { .. }) => {
                self.written_before(receipt.as_ref()).await?.ok_or_else(forgotten)
            }
        }
    }

    /// The result of an earlier call with the same key and the same request, if there was a call.
    pub(crate) async fn written_before(
        &self,
        receipt: Option<&Receipt>,
    ) -> Result<Option<Done<Vibe>>, AppError> {
        let Some(receipt) = receipt else { return Ok(None) };
        let recorded = self.store.recall(receipt.operation, &receipt.key).await?;
        recorded.map(|recorded| replay(receipt, recorded)).transpose()
    }
}

fn check(command: &CreateVibe, call: &Call, vibe_id: VibeId) -> Result<(NewVibe, Option<Receipt>), AppError> {
    let mut gather = Gather::default();
    let user_id = gather.check(UserId::parse(&command.user_id));
    let title = gather.check(Title::parse(&command.title));
    let description = gather.check(Description::parse(&command.description));
    let key = gather.check_some(call.key());
    let values = user_id.zip(title).zip(description);
    let ((user_id, title), description) = gather.done(values)?;
    let request = fingerprint(&[Some(user_id.as_str()), Some(title.as_str()), Some(description.as_str())]);
    let new = NewVibe { vibe_id, user_id, title, description };
    Ok((new, receipt(Operation::CreateVibe, key, request)))
}
