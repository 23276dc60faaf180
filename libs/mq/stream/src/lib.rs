//! The JetStream room: everything that the substrate says to NATS.
//!
//! Connection ([`Broker`]), publish with an awaited ack ([`Broker::publish`]), durable pull
//! ([`Durable`]), the missing range of a stream ([`Broker::read_range`]), what a stream still holds
//! ([`Broker::stored_ids`], [`Broker::holds`]), dead letters
//! ([`DeadLetter`]), the declared topology ([`Topology`], [`plan`], [`apply`], [`verify`]) and the
//! permissions that go with it ([`worker_permissions`]).
//!
//! Correctness rests on what nats-server 2.10 offers. JetStream's API is spoken directly, as JSON
//! over request and reply: so a field that a newer server added survives an update, and the
//! defects of a client library's pull are not inherited.

mod api;
mod broker;
mod connect;
mod dead_letter;
mod delivery;
mod error;
mod facts;
mod ledger;
mod notice;
mod outage;
mod permissions;
mod publish;
mod pull;
mod range;
mod replies;
mod settings;
mod state;
mod topology;

pub use broker::Broker;
pub use dead_letter::DeadLetter;
pub use delivery::{AckToken, Delivery};
pub use error::{PullError, StreamError};
pub use facts::{DurableFacts, Leadership, Position, StreamFacts};
pub use outage::{OutageKind, PublishError};
pub use permissions::{Permissions, provision_permissions, users_conf, worker_permissions};
pub use publish::{Outgoing, Stored};
pub use pull::Durable;
pub use range::{Range, RangeMessage, StoredId, StoredIds, UnreadableMessage};
pub use settings::{Auth, ConnectSettings, TlsFiles};
pub use state::{BrokerState, Denial, DeniedAction, Link};
pub use topology::{
    Change, ContextTopology, Drift, DurableDeclaration, Object, Plan, Step, StreamDeclaration,
    SubscriptionTopology, Topology, Verification, apply, plan, verify,
};
