//! Whoever falls silent is buried, and its lanes go on.

use std::time::{Duration, Instant};

use crate::support::{Context, LONG, count, lanes, role, run, tick_until_holding};
use sea_mq_lease::Registry;

/// A take-over that has not happened by then never will.
const TAKEN_BY: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_silent_instance_loses_its_lanes_after_its_time_and_not_before() {
    let context = Context::new().await;
    let roles = [role("outbox", 8)];
    let ttl = Duration::from_millis(400);
    let mut silent = context.instance("silent", &roles, ttl).await;
    let mut alive = context.instance("alive", &roles, LONG).await;
    let last = tick_until_holding(&mut silent).await;
    let taken = tokio::time::timeout(TAKEN_BY, tick_until_holding(&mut alive)).await.unwrap();
    assert!(Instant::now() >= last.valid_until, "taken while it was still valid");
    assert_eq!(lanes(&taken, "outbox"), lanes(&last, "outbox"), "all of them in one tick");
    assert!(taken.leases.iter().zip(&last.leases).all(|(new, old)| new.epoch == old.epoch + 1));
    assert_eq!(taken.live["outbox"], 1);
}

#[tokio::test]
async fn a_renewed_instance_is_not_buried() {
    let context = Context::new().await;
    let roles = [role("outbox", 8)];
    let mut first = context.instance("first", &roles, LONG).await;
    let mut second = context.instance("second", &roles, LONG).await;
    let before = first.tick().await.unwrap();
    // Short of its end, a renewal gives it its whole time again.
    let mut worker = context.worker().await;
    run(&mut worker, "UPDATE mq_instances SET expires_at = clock_timestamp() + interval '60 s'").await;
    assert_eq!(first.tick().await.unwrap().instance, before.instance);
    let left = "SELECT extract(epoch FROM min(expires_at) - clock_timestamp())::bigint FROM mq_instances";
    assert!(count(&mut worker, left).await > 500);
    assert!(second.tick().await.unwrap().leases.is_empty());
}

#[tokio::test]
async fn whoever_was_buried_notices_and_begins_a_new_life() {
    let context = Context::new().await;
    let roles = [role("outbox", 8)];
    let mut frozen = context.instance("frozen", &roles, LONG).await;
    let mut other = context.instance("other", &roles, LONG).await;
    let before = frozen.tick().await.unwrap();
    context.expire(before.instance).await;
    assert_eq!(other.tick().await.unwrap().leases.len(), 8);
    // It wakes up.
    frozen.release("outbox", &[0, 1, 2]).await.unwrap();
    assert_eq!(other.tick().await.unwrap().leases.len(), 8, "it can hand back nothing any more");
    let after = frozen.tick().await.unwrap();
    assert_ne!(after.instance, before.instance);
    assert!(after.leases.is_empty(), "{after:?}");
}

#[tokio::test]
async fn an_expired_life_is_not_renewed_even_when_nobody_buried_it() {
    let context = Context::new().await;
    let roles = [role("outbox", 8)];
    let mut alone = context.instance("alone", &roles, LONG).await;
    let before = alone.tick().await.unwrap();
    context.expire(before.instance).await;
    let after = alone.tick().await.unwrap();
    assert_ne!(after.instance, before.instance);
    assert_eq!(lanes(&after, "outbox"), lanes(&before, "outbox"));
    assert!(after.leases.iter().all(|lease| lease.epoch == 2), "taken anew, not kept: {after:?}");
    assert_eq!(count(&mut context.worker().await, "SELECT count(*) FROM mq_instances").await, 1);
}

#[tokio::test]
async fn burial_is_put_off_while_a_statement_of_the_buried_runs() {
    let context = Context::new().await;
    let roles = [role("outbox", 8)];
    let mut first = context.instance("first", &roles, LONG).await;
    let before = first.tick().await.unwrap();
    let mut statement = context.worker().await;
    run(
        &mut statement,
        &format!("BEGIN; SELECT FROM mq_instances WHERE id = '{}' FOR KEY SHARE", before.instance),
    )
    .await;
    context.expire(before.instance).await;

    let mut second = Registry::new(context.pool("1s").await, "second".to_owned(), roles.to_vec(), LONG);
    assert!(second.tick().await.unwrap().leases.is_empty(), "not yet, and nobody waits");
    let held = format!("SELECT count(*) FROM mq_leases WHERE holder = '{}'", before.instance);
    assert_eq!(count(&mut context.worker().await, &held).await, 8, "still its lanes");
    run(&mut statement, "COMMIT").await;
    assert_eq!(second.tick().await.unwrap().leases.len(), 8);
    assert_eq!(count(&mut context.worker().await, &held).await, 0);
}

#[tokio::test]
async fn renewal_waits_for_no_statement() {
    let context = Context::new().await;
    let roles = [role("outbox", 8)];
    let mut first = Registry::new(context.pool("1s").await, "first".to_owned(), roles.to_vec(), LONG);
    let before = first.tick().await.unwrap();
    let mut statement = context.worker().await;
    run(
        &mut statement,
        &format!("BEGIN; SELECT FROM mq_instances WHERE id = '{}' FOR KEY SHARE", before.instance),
    )
    .await;
    assert_eq!(first.tick().await.unwrap().leases, before.leases);
    run(&mut statement, "ROLLBACK").await;
}

#[tokio::test]
async fn a_clock_that_was_set_back_keeps_the_dead_no_longer_than_their_time() {
    let context = Context::new().await;
    let roles = [role("outbox", 8)];
    let ttl = Duration::from_millis(400);
    let mut dead = context.instance("dead", &roles, ttl).await;
    let mut alive = context.instance("alive", &roles, LONG).await;
    let last = tick_until_holding(&mut dead).await;
    // Renewed by a clock that was an hour ahead, and since then silent.
    context.renewed_ahead(last.instance, "1 hour").await;
    let seen = Instant::now();
    assert!(alive.tick().await.unwrap().leases.is_empty(), "it may be alive: it gets its time to show it");
    tokio::time::timeout(TAKEN_BY, tick_until_holding(&mut alive)).await.unwrap();
    assert!(seen.elapsed() >= ttl, "taken while it could still be alive");
}

#[tokio::test]
async fn a_clock_that_was_set_back_takes_nothing_from_the_living() {
    let context = Context::new().await;
    let roles = [role("outbox", 8)];
    let mut first = context.instance("first", &roles, LONG).await;
    // Its own time to live is another one, as while a new version replaces an old one.
    let mut second = context.instance("second", &roles, Duration::from_secs(60)).await;
    let before = first.tick().await.unwrap();
    context.renewed_ahead(before.instance, "1 hour").await;
    assert!(second.tick().await.unwrap().leases.is_empty());
    let mut worker = context.worker().await;
    let left = "SELECT extract(epoch FROM max(expires_at) - clock_timestamp())::bigint FROM mq_instances";
    let seconds = count(&mut worker, left).await;
    assert!((500..=600).contains(&seconds), "its own time to live from now: {seconds} s");
    assert_eq!(first.tick().await.unwrap().leases, before.leases);
}
