//! What VibesPro's use cases need of the world, in their own words: where users and vibes are kept,
//! what the time is, where ids come from.

mod error;
mod once;
mod origin;
mod store;
mod world;

pub use error::{StoreError, WriteError};
pub use once::{Fingerprint, IdempotencyKey, Operation, Receipt, Recorded};
pub use origin::Origin;
pub use store::{Place, Registration, Upkeep, Users, Vibes};
pub use world::{Clock, Ids};
