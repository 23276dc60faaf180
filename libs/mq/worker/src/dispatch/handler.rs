//! Whom events are handed to.

use std::time::Duration;

use bytes::Bytes;
use sea_mq_dispatch::{
    Answer, BatchOutcome, Call, Capabilities, batch_body, batch_outcome, batched_body, request_body,
};
use sea_mq_event::header;
use uuid::Uuid;

use crate::InProcess;

/// A service over HTTP, or this process.
#[derive(Clone, Debug)]
pub(crate) enum Handler {
    Http(Box<sea_mq_dispatch::Handler>),
    InProcess(InProcess, Duration),
}

/// One event, ready to be handed over.
pub(super) struct Single {
    id: Uuid,
    body: Bytes,
    trace: Option<String>,
}

impl Handler {
    pub(super) fn single(&self, call: &Call<'_>) -> Result<Single, serde_json::Error> {
        let (body, trace) = match self {
            Self::Http(_) => (request_body(call)?, call.header(header::TRACEPARENT).map(str::to_owned)),
            Self::InProcess(..) => (batched_body(call)?, None),
        };
        Ok(Single { id: call.message_id, body, trace })
    }

    pub(super) async fn call(&self, single: Single) -> Answer {
        match self {
            Self::Http(handler) => handler.call(single.id, single.body, single.trace.as_deref()).await,
            Self::InProcess(handlers, limit) => handlers.call(&single.body, *limit).await,
        }
    }

    /// Bodies as [`batched_body`] makes them.
    pub(super) async fn call_batch(&self, bodies: Vec<Bytes>) -> BatchOutcome {
        let events = bodies.len();
        match self {
            Self::Http(handler) => {
                let body = batch_body(&bodies);
                drop(bodies);
                batch_outcome(&handler.call_batch(Uuid::new_v4(), body, events).await, events)
            }
            Self::InProcess(handlers, limit) => handlers.call_batch(&bodies, *limit).await,
        }
    }

    pub(super) async fn capabilities(&self) -> Option<Capabilities> {
        match self {
            Self::Http(handler) => handler.capabilities().await,
            Self::InProcess(handlers, _) => Some(handlers.capabilities()),
        }
    }

    pub(super) async fn probe(&self) -> Result<(), std::io::Error> {
        match self {
            Self::Http(handler) => handler.probe().await,
            Self::InProcess(..) => Ok(()),
        }
    }

    pub(super) fn close_idle(&self) {
        match self {
            Self::Http(handler) => handler.close_idle(),
            Self::InProcess(..) => {}
        }
    }

    /// For messages.
    pub(super) fn place(&self) -> &str {
        match self {
            Self::Http(handler) => handler.authority(),
            Self::InProcess(..) => sea_mq_config::IN_PROCESS,
        }
    }
}
