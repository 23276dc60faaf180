//! The stack against the real servers: each is started, stopped, killed, frozen,
//! restarted, cut off and put on a full disk, and none outlives the program that
//! wanted it.
#![allow(clippy::unwrap_used)]

mod servers {
    pub mod death;
    pub mod disk;
    pub mod link;
    pub mod link_faults;
    pub mod listening;
    pub mod nats;
    pub mod partition;
    pub mod peer;
    pub mod postgres;
    pub mod proc;
    pub mod process;
    pub mod state;
}
