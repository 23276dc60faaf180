//! One module for each section: its type, how it is read, what it refuses.

pub(crate) mod database;
pub(crate) mod dead_letters;
pub(crate) mod nats;
pub(crate) mod observe;
pub(crate) mod publisher;
pub(crate) mod retention;
pub(crate) mod signing;
pub(crate) mod source;
pub(crate) mod subscription;
pub(crate) mod topology;
