//! A place for one future under way.

use futures::future::BoxFuture;

/// At most one future of its kind.
pub(crate) type Slot<T> = Option<BoxFuture<'static, T>>;

/// Awaits the future in a slot and empties it; an empty slot is never ready. Dropping this future
/// leaves the slot as it is.
pub(crate) async fn finished<T>(slot: &mut Slot<T>) -> T {
    let Some(future) = slot else { return std::future::pending().await };
    let done = future.await;
    *slot = None;
    done
}
