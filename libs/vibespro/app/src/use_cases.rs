use std::time::Duration;

use vibespro_ports::{Clock, Ids, Receipt, Recorded, StoreError, Upkeep};

use crate::AppError;

/// How long a command's receipt is kept at least: a repetition that comes later is a new command.
pub const RECEIPTS_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Receipts that are forgotten in one step.
const FORGET_BATCH: i64 = 1_000;

/// A command's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done<T> {
    /// What there is now; of a replay, what there was then.
    pub value: T,
    /// True when an earlier call with the same idempotency key did it.
    pub replayed: bool,
}

impl<T> Done<T> {
    pub(crate) fn now(value: T) -> Self {
        Self { value, replayed: false }
    }
}

/// VibesPro's commands and queries over a store `S`, a clock `C` and a source of ids `I`.
#[derive(Clone, Debug)]
pub struct UseCases<S, C, I> {
    pub(crate) store: S,
    pub(crate) clock: C,
    pub(crate) ids: I,
}

impl<S, C: Clock, I: Ids> UseCases<S, C, I> {
    /// Over these.
    pub fn new(store: S, clock: C, ids: I) -> Self {
        Self { store, clock, ids }
    }
}

impl<S: Upkeep, C: Clock, I: Ids> UseCases<S, C, I> {
    /// Whether commands can be carried out now.
    ///
    /// # Errors
    /// [`AppError::Store`] says what is missing.
    pub async fn ready(&self) -> Result<(), AppError> {
        Ok(self.store.ready().await?)
    }

    /// Forgets receipts older than [`RECEIPTS_KEPT`], in small steps; returns how many. May run in
    /// several processes at once.
    ///
    /// # Errors
    /// [`AppError::Store`].
    pub async fn forget_old_receipts(&self) -> Result<u64, AppError> {
        let before = self.clock.now() - RECEIPTS_KEPT;
        let mut forgotten = 0;
        loop {
            let step = self.store.forget_receipts(before, FORGET_BATCH).await?;
            forgotten += step;
            if step < FORGET_BATCH.unsigned_abs() {
                return Ok(forgotten);
            }
        }
    }
}

/// Judges what an earlier call with this receipt's key left: its result, if it was the same request.
pub(crate) fn replay<T>(receipt: &Receipt, recorded: Recorded<T>) -> Result<Done<T>, AppError> {
    if recorded.request == receipt.request {
        return Ok(Done { value: recorded.result, replayed: true });
    }
    Err(AppError::KeyReused)
}

/// The key was taken and is gone: its receipt was forgotten between two statements.
pub(crate) fn forgotten() -> AppError {
    let detail = "the record of this idempotency key was just removed; call again".to_owned();
    AppError::Store(StoreError::Unavailable { doing: "read the first result", detail })
}
