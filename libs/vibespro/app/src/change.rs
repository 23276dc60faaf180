use uuid::Uuid;
use vibespro_domain::{Change, Description, Refused, Revision, Score, Title, Vibe, VibeId};
use vibespro_ports::{Clock, IdempotencyKey, Ids, Operation, Origin, Receipt, Vibes, WriteError};

use crate::call::receipt;
use crate::fingerprint::fingerprint;
use crate::gather::Gather;
use crate::{AppError, Call, Done, UseCases};

/// Changes title, description or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateVibe {
    /// Which.
    pub vibe_id: Uuid,
    /// The revision that the change was decided on.
    pub expected_revision: i64,
    /// Stays when `None`.
    pub title: Option<String>,
    /// Stays when `None`.
    pub description: Option<String>,
}

/// Scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreVibe {
    /// Which.
    pub vibe_id: Uuid,
    /// The revision that the score was decided on.
    pub expected_revision: i64,
    /// 0 to 100.
    pub score: i64,
}

/// A change of a vibe that is there, checked.
struct Wanted {
    vibe_id: VibeId,
    expected: Revision,
    receipt: Option<Receipt>,
    origin: Origin,
}

impl<S: Vibes, C: Clock, I: Ids> UseCases<S, C, I> {
    /// Updates. Emits `vibe_updated.v1`.
    ///
    /// # Errors
    /// [`AppError::Invalid`], [`AppError::UnknownVibe`], [`AppError::Stale`], [`AppError::KeyReused`],
    /// [`AppError::Store`].
    pub async fn update_vibe(&self, command: UpdateVibe, call: Call) -> Result<Done<Vibe>, AppError> {
        let mut gather = Gather::default();
        let expected = gather.check(Revision::parse(command.expected_revision));
        let title = gather.check_some(command.title.as_deref().map(Title::parse));
        let description = gather.check_some(command.description.as_deref().map(Description::parse));
        let key = gather.check_some(call.key());
        let expected = gather.done(expected)?;
        let texts = [title.as_ref().map(Title::as_str), description.as_ref().map(Description::as_str)];
        let receipt = receipt_of(Operation::UpdateVibe, key, command.vibe_id, expected, texts);
        let wanted = Wanted { vibe_id: VibeId(command.vibe_id), expected, receipt, origin: call.origin() };
        let now = self.clock.now();
        self.change(wanted, |vibe| vibe.update(expected, title, description, now)).await
    }

    /// Scores. Emits `vibe_scored.v1`.
    ///
    /// # Errors
    /// As [`UseCases::update_vibe`].
    pub async fn score_vibe(&self, command: ScoreVibe, call: Call) -> Result<Done<Vibe>, AppError> {
        let mut gather = Gather::default();
        let expected = gather.check(Revision::parse(command.expected_revision));
        let score = gather.check(Score::parse(command.score));
        let key = gather.check_some(call.key());
        let (expected, score) = gather.done(expected.zip(score))?;
        let text = score.number().to_string();
        let receipt =
            receipt_of(Operation::ScoreVibe, key, command.vibe_id, expected, [Some(text.as_str()), None]);
        let wanted = Wanted { vibe_id: VibeId(command.vibe_id), expected, receipt, origin: call.origin() };
        let now = self.clock.now();
        self.change(wanted, |vibe| vibe.score(expected, score, now)).await
    }

    /// Reads, decides, stores. A repetition finds the vibe further on or its key taken, and only
    /// then is the first result looked for.
    async fn change(
        &self,
        wanted: Wanted,
        decide: impl FnOnce(Vibe) -> Result<Change, Refused> + Send,
    ) -> Result<Done<Vibe>, AppError> {
        let refused = match self.decide_and_save(&wanted, decide).await {
            Ok(vibe) => return Ok(Done::now(vibe)),
            Err(AppError::Store(error)) => return Err(error.into()),
            Err(refused) => refused,
        };
        match self.written_before(wanted.receipt.as_ref()).await? {
            Some(done) => Ok(done),
            None => Err(refused),
        }
    }

    async fn decide_and_save(
        &self,
        wanted: &Wanted,
        decide: impl FnOnce(Vibe) -> Result<Change, Refused> + Send,
    ) -> Result<Vibe, AppError> {
        let Wanted { vibe_id, expected, receipt, origin } = wanted;
        let (vibe_id, expected) = (*vibe_id, *expected);
        let vibe = self.store.find(vibe_id).await?.ok_or(AppError::UnknownVibe(vibe_id))?;
        let change = decide(vibe).map_err(|refused| match refused {
            Refused::Stale { expected, current } => AppError::Stale { vibe_id, expected, current },
            Refused::Empty(violation) => violation.into(),
        })?;
        self.store.save(&change, receipt.as_ref(), origin).await.map_err(|error| match error {
            WriteError::Stale { current } => AppError::Stale { vibe_id, expected, current },
            WriteError::UnknownVibe | WriteError::UnknownUser => AppError::UnknownVibe(vibe_id),
            WriteError::KeyTaken => AppError::KeyReused,
            WriteError::Store(error) => error.into(),
        })
    }
}

fn receipt_of(
    operation: Operation,
    key: Option<IdempotencyKey>,
    vibe_id: Uuid,
    expected: Revision,
    values: [Option<&str>; 2],
) -> Option<Receipt> {
    let (vibe_id, expected) = (vibe_id.to_string(), expected.number().to_string());
    let request = fingerprint(&[Some(vibe_id.as_str()), Some(expected.as_str()), values[0], values[1]]);
    receipt(operation, key, request)
}
