//! The stack against the real servers: each is started, stopped, killed, frozen
//! and restarted, and none outlives the program that wanted it.
#![allow(clippy::unwrap_used)]

mod servers {
    pub mod death;
    pub mod listening;
    pub mod nats;
    pub mod postgres;
    pub mod proc;
    pub mod process;
    pub mod state;
}
