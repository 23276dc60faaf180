//! An event with its payload read and its handler at hand; of which type is not seen from outside.

use std::any::Any;
use std::sync::Arc;

use futures::future::BoxFuture;
use sqlx::PgConnection;

use crate::emit::Cause;
use crate::event::{Call, Event};
use crate::failure::Failure;
use crate::handle::{AskAndHandle, Handle, HandleMany, Transactions};
use crate::payload;
use crate::tx::{ManyTx, Tx};

type Done<'a> = BoxFuture<'a, Result<(), Failure>>;

/// What is registered for an event type and version.
pub(crate) trait Reaction: Send + Sync {
    /// The event, or what is wrong with its payload.
    fn prepare(&self, call: Call) -> Result<Box<dyn Prepared>, String>;

    /// See [`Transactions`]; none says what holds for all.
    fn transactions(&self) -> Option<Transactions>;

    /// All events of the type in a transaction are handled at once.
    fn many(&self) -> bool {
        false
    }

    /// There is something to ask beforehand.
    fn asks(&self) -> bool {
        false
    }
}

/// An event that is ready to be handled.
pub(crate) trait Prepared: Any + Send + Sync {
    /// Asks, and keeps what was said.
    fn ask(&mut self) -> Done<'_> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Runs the handler. `group` are this and those that are handled together with it: itself alone unless its
    /// reaction is for many.
    fn effects<'a>(&'a self, connection: &'a mut PgConnection, group: &'a [&'a dyn Prepared]) -> Done<'a>;
}

fn read<P: serde::de::DeserializeOwned>(call: Call) -> Result<Event<P>, String> {
    let payload = payload::read(call.payload.get())?;
    Ok(call.with(payload))
}

pub(crate) struct One<H>(pub(crate) Arc<H>);

struct PreparedOne<H: Handle> {
    handler: Arc<H>,
    event: Event<H::Payload>,
}

impl<H: Handle> Reaction for One<H> {
    fn prepare(&self, call: Call) -> Result<Box<dyn Prepared>, String> {
        Ok(Box::new(PreparedOne { handler: Arc::clone(&self.0), event: read(call)? }))
    }

    fn transactions(&self) -> Option<Transactions> {
        self.0.transactions()
    }
}

impl<H: Handle> Prepared for PreparedOne<H> {
    fn effects<'a>(&'a self, connection: &'a mut PgConnection, _: &'a [&'a dyn Prepared]) -> Done<'a> {
        Box::pin(async move {
            let mut tx = Tx::new(connection, Cause::of(&self.event));
            self.handler.handle(&mut tx, &self.event).await
        })
    }
}

pub(crate) struct Asking<H>(pub(crate) Arc<H>);

struct PreparedAsking<H: AskAndHandle> {
    handler: Arc<H>,
    event: Event<H::Payload>,
    asked: Option<H::Asked>,
}

impl<H: AskAndHandle> Reaction for Asking<H> {
    fn prepare(&self, call: Call) -> Result<Box<dyn Prepared>, String> {
        Ok(Box::new(PreparedAsking { handler: Arc::clone(&self.0), event: read(call)?, asked: None }))
    }

    fn transactions(&self) -> Option<Transactions> {
        self.0.transactions()
    }

    fn asks(&self) -> bool {
        true
    }
}

impl<H: AskAndHandle> Prepared for PreparedAsking<H> {
    fn ask(&mut self) -> Done<'_> {
        Box::pin(async move {
            self.asked = Some(self.handler.ask(&self.event).await?);
            Ok(())
        })
    }

    fn effects<'a>(&'a self, connection: &'a mut PgConnection, _: &'a [&'a dyn Prepared]) -> Done<'a> {
        Box::pin(async move {
            let asked = self.asked.as_ref().ok_or_else(|| Failure::error("nothing was asked"))?;
            let mut tx = Tx::new(connection, Cause::of(&self.event));
            self.handler.handle(&mut tx, &self.event, asked).await
        })
    }
}

pub(crate) struct Many<H>(pub(crate) Arc<H>);

struct PreparedMany<H: HandleMany> {
    handler: Arc<H>,
    event: Event<H::Payload>,
}

impl<H: HandleMany> Reaction for Many<H> {
    fn prepare(&self, call: Call) -> Result<Box<dyn Prepared>, String> {
        Ok(Box::new(PreparedMany { handler: Arc::clone(&self.0), event: read(call)? }))
    }

    fn transactions(&self) -> Option<Transactions> {
        Some(Transactions::Together)
    }

    fn many(&self) -> bool {
        true
    }
}

impl<H: HandleMany> Prepared for PreparedMany<H> {
    fn effects<'a>(&'a self, connection: &'a mut PgConnection, group: &'a [&'a dyn Prepared]) -> Done<'a> {
        Box::pin(async move {
            let same = |prepared: &&'a dyn Prepared| (*prepared as &dyn Any).downcast_ref::<Self>();
            let events: Vec<&Event<H::Payload>> = group.iter().filter_map(same).map(|it| &it.event).collect();
            self.handler.handle_many(&mut ManyTx::new(connection), &events).await
        })
    }
}
