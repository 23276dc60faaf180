//! VibesPro's use cases: commands and queries over the ports. They know no SQL, no HTTP, no broker.
//!
//! A command is checked, decided by the domain, and stored in one step with its event and, when the
//! caller gave an idempotency key, its receipt. Only when that step is refused is the receipt of an
//! earlier call looked for: the usual command costs no look-up.

mod call;
mod change;
mod create;
mod cursor;
mod error;
mod fingerprint;
mod gather;
mod queries;
mod register;
mod use_cases;

pub use call::Call;
pub use change::{ScoreVibe, UpdateVibe};
pub use create::CreateVibe;
pub use error::AppError;
pub use queries::{Page, PageRequest};
pub use register::RegisterUser;
pub use use_cases::{Done, RECEIPTS_KEPT, UseCases};
