mod apply;
mod declare;
mod difference;
mod plan;
mod refusal;
mod subject_overlap;
mod survey;
mod verify;

pub use apply::apply;
pub use declare::{ContextTopology, DurableDeclaration, StreamDeclaration, SubscriptionTopology, Topology};
pub use difference::Change;
pub use plan::{Object, Plan, Step, plan};
pub use verify::{Drift, Verification, verify};
