use vibespro_domain::{User, UserId, UserName};
use vibespro_ports::{Clock, Ids, Operation, Receipt, Registration, Users, WriteError};

use crate::call::receipt;
use crate::fingerprint::fingerprint;
use crate::gather::Gather;
use crate::use_cases::{forgotten, replay};
use crate::{AppError, Call, Done, UseCases};

/// Registers a user, or renames the one that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterUser {
    /// Who.
    pub user_id: String,
    /// What the user is called.
    pub name: String,
}

impl<S: Users, C: Clock, I: Ids> UseCases<S, C, I> {
    /// Registers. Emits nothing.
    ///
    /// # Errors
    /// [`AppError::Invalid`], [`AppError::KeyReused`], [`AppError::Store`].
    pub async fn register_user(
        &self,
        command: RegisterUser,
        call: Call,
    ) -> Result<Done<Registration>, AppError> {
        let (user, receipt) = check(&command, &call)?;
        match self.store.put_user(&user, receipt.as_ref(), self.clock.now()).await {
            Ok(registration) => Ok(Done::now(registration)),
            Err(WriteError::Store(error)) => Err(error.into()),
            Err(
                WriteError::KeyTaken
                | WriteError::UnknownUser
                | WriteError::UnknownVibe
                | WriteError::Stale { .. },
            ) => self.registered_before(receipt).await,
        }
    }

    async fn registered_before(&self, receipt: Option<Receipt>) -> Result<Done<Registration>, AppError> {
        let receipt = receipt.ok_or_else(forgotten)?;
        let recorded = self.store.recall_registration(&receipt.key).await?;
        replay(&receipt, recorded.ok_or_else(forgotten)?)
    }
}

fn check(command: &RegisterUser, call: &Call) -> Result<(User, Option<Receipt>), AppError> {
    let mut gather = Gather::default();
    let user_id = gather.check(UserId::parse(&command.user_id));
    let name = gather.check(UserName::parse(&command.name));
    let key = gather.check_some(call.key());
    let user = gather.done(user_id.zip(name).map(|(user_id, name)| User { user_id, name }))?;
    let request = fingerprint(&[Some(user.user_id.as_str()), Some(user.name.as_str())]);
    Ok((user, receipt(Operation::RegisterUser, key, request)))
}
