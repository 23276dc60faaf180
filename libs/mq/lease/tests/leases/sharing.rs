//! Lanes are divided fairly, and never held by two.

use std::collections::{BTreeSet, HashMap};

use futures::future::join_all;
use sea_mq_lease::{Holdings, Registry};
use uuid::Uuid;

use crate::support::{Context, LONG, count, lanes, role, tick_and_share};

/// Every lane from 0 is held by exactly one.
fn assert_divided(all: &[Holdings], name: &str, expected: i16) {
    let mut held: Vec<i16> = all.iter().flat_map(|h| lanes(h, name)).collect();
    held.sort_unstable();
    assert_eq!(held, (0..expected).collect::<Vec<_>>(), "{name}");
}

#[tokio::test]
async fn the_first_takes_all_and_newcomers_get_their_share() {
    let context = Context::new().await;
    let roles = [role("outbox", 32), role("ingest/a", 1)];
    let mut all: Vec<Registry> = Vec::new();
    for n in 0..3 {
        all.push(context.instance(&format!("w{n}"), &roles, LONG).await);
    }
    let alone = all[0].tick().await.unwrap();
    assert_divided(std::slice::from_ref(&alone), "outbox", 32);
    assert!(alone.leases.iter().all(|lease| lease.epoch == 1));
    assert_eq!(alone.live["outbox"], 1);
    // A newcomer takes nothing that is held.
    let newcomer = all[1].tick().await.unwrap();
    assert!(newcomer.leases.is_empty());
    assert_eq!(newcomer.live["outbox"], 2);

    let mut held = Vec::new();
    for _round in 0..3 {
        held.clear();
        for registry in &mut all {
            held.push(tick_and_share(registry, &roles).await);
        }
    }
    assert_divided(&held, "outbox", 32);
    assert_divided(&held, "ingest/a", 1);
    let mut shares: Vec<usize> = held.iter().map(|h| lanes(h, "outbox").len()).collect();
    shares.sort_unstable();
    assert_eq!(shares, [10, 11, 11]);
    // Steady: the next ticks move nothing.
    for (registry, before) in all.iter_mut().zip(&held) {
        assert_eq!(tick_and_share(registry, &roles).await.leases, before.leases);
    }
}

#[tokio::test]
async fn only_those_who_take_part_in_a_role_count_for_it() {
    let context = Context::new().await;
    let mut publisher = context.instance("p", &[role("outbox", 8)], LONG).await;
    let mut consumer = context.instance("c", &[role("dispatch/a", 8)], LONG).await;
    publisher.tick().await.unwrap();
    let held = consumer.tick().await.unwrap();
    assert_eq!(lanes(&held, "dispatch/a").len(), 8);
    assert_eq!(lanes(&held, "outbox").len(), 0);
    assert_eq!(held.live, HashMap::from([("outbox".into(), 1), ("dispatch/a".into(), 1)]));
}

#[tokio::test]
async fn lanes_handed_back_are_taken_with_a_higher_epoch() {
    let context = Context::new().await;
    let roles = [role("outbox", 4)];
    let mut first = context.instance("first", &roles, LONG).await;
    let mut second = context.instance("second", &roles, LONG).await;
    first.tick().await.unwrap();
    // Not its own: nothing happens.
    second.tick().await.unwrap();
    assert_eq!(second.release("outbox", &[0, 1, 2, 3]).await.unwrap(), Vec::<i16>::new());
    assert!(second.tick().await.unwrap().leases.is_empty());
    assert_eq!(first.release("outbox", &[1, 3]).await.unwrap(), [1, 3]);
    let taken = second.tick().await.unwrap();
    assert_eq!(taken.leases.iter().map(|l| (l.lane, l.epoch)).collect::<Vec<_>>(), [(1, 2), (3, 2)]);
    assert_eq!(lanes(&first.tick().await.unwrap(), "outbox"), [0, 2]);
}

#[tokio::test]
async fn leaving_frees_everything_at_once() {
    let context = Context::new().await;
    let roles = [role("outbox", 4), role("ingest/a", 1)];
    let mut first = context.instance("first", &roles, LONG).await;
    let mut second = context.instance("second", &roles, LONG).await;
    let before = first.tick().await.unwrap();
    assert!(second.tick().await.unwrap().leases.is_empty());
    first.leave().await.unwrap();
    let after = second.tick().await.unwrap();
    assert_divided(std::slice::from_ref(&after), "outbox", 4);
    assert!(after.leases.iter().all(|lease| lease.epoch == 2), "{after:?}");
    assert_eq!(after.live["outbox"], 1);
    // Whoever left and comes back is somebody new.
    let back = first.tick().await.unwrap();
    assert_ne!(back.instance, before.instance);
    assert!(back.leases.is_empty());
    assert_eq!(count(&mut context.worker().await, "SELECT count(*) FROM mq_instances").await, 2);
}

#[tokio::test]
async fn whoever_withdraws_takes_nothing_and_leaves_everything_to_others() {
    let context = Context::new().await;
    let roles = [role("outbox", 4), role("ingest/a", 1)];
    let mut first = context.instance("first", &roles, LONG).await;
    let mut second = context.instance("second", &roles, LONG).await;
    let before = first.tick().await.unwrap();
    second.tick().await.unwrap();
    first.withdraw();
    let withdrawn = first.tick().await.unwrap();
    assert!(withdrawn.withdrawn && !before.withdrawn);
    assert_eq!((withdrawn.instance, &withdrawn.leases), (before.instance, &before.leases), "still its own");
    // Lane by lane, the other gets more than the half that was its fair share before.
    for lane in 0..4 {
        first.release("outbox", &[lane]).await.unwrap();
        assert_eq!(lanes(&first.tick().await.unwrap(), "outbox"), Vec::from_iter(lane + 1..4));
        let taken = second.tick().await.unwrap();
        assert_eq!(lanes(&taken, "outbox"), Vec::from_iter(0..=lane));
        assert_eq!(taken.live, HashMap::from([("outbox".into(), 1), ("ingest/a".into(), 1)]));
    }
    assert_eq!(lanes(&first.tick().await.unwrap(), "ingest/a"), [0], "what is not finished is kept");
    // Buried and born anew, it still takes no part.
    context.expire(before.instance).await;
    let reborn = first.tick().await.unwrap();
    assert!(reborn.withdrawn && reborn.leases.is_empty());
    assert_eq!(second.tick().await.unwrap().leases.len(), 5);
}

#[tokio::test]
async fn whoever_retires_from_a_role_frees_it_and_keeps_the_others() {
    let context = Context::new().await;
    let roles = [role("outbox", 4), role("dispatch/a", 4)];
    let mut first = context.instance("first", &roles, LONG).await;
    let mut second = context.instance("second", &roles, LONG).await;
    first.tick().await.unwrap();
    second.tick().await.unwrap();
    assert_eq!(first.retire("outbox").await.unwrap(), [0, 1, 2, 3]);
    let left = first.tick().await.unwrap();
    assert_eq!((lanes(&left, "outbox").len(), lanes(&left, "dispatch/a").len()), (0, 4));
    let taken = second.tick().await.unwrap();
    assert_eq!((lanes(&taken, "outbox").len(), lanes(&taken, "dispatch/a").len()), (4, 0));
    assert_eq!(taken.live, HashMap::from([("outbox".into(), 1), ("dispatch/a".into(), 2)]));
}

#[tokio::test]
async fn instances_that_start_at_the_same_moment_share() {
    let context = Context::new().await;
    let roles = [role("outbox", 32), role("dispatch/a", 32), role("ingest/a", 1)];
    let mut all = Vec::new();
    for n in 0..8 {
        all.push(context.instance(&format!("w{n}"), &roles, LONG).await);
    }
    let first = join_all(all.iter_mut().map(Registry::tick)).await;
    first.into_iter().for_each(|held| drop(held.unwrap()));
    let mut held = Vec::new();
    for _round in 0..3 {
        held = join_all(all.iter_mut().map(|registry| tick_and_share(registry, &roles))).await;
    }
    for role in &roles {
        assert_divided(&held, &role.name, role.lanes);
    }
    assert!(held.iter().all(|h| lanes(h, "outbox").len() == 4), "32 lanes over 8");
}

/// Two instances that believe in the same lane have different epochs, however they come and go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taking_of_a_lane_belongs_to_one_instance() {
    let context = Context::new().await;
    let roles = [role("outbox", 16)];
    let turbulent = async |n: usize| {
        let mut registry = context.instance(&format!("w{n}"), &roles, LONG).await;
        let mut seen: BTreeSet<(i16, i64, Uuid)> = BTreeSet::new();
        for step in 0..60 {
            let held = tick_and_share(&mut registry, &roles).await;
            seen.extend(held.leases.iter().map(|lease| (lease.lane, lease.epoch, held.instance)));
            match (step + 7 * n) % 20 {
                5 => registry.leave().await.unwrap(),
                10 => context.expire(held.instance).await,
                15 => drop(registry.release("outbox", &lanes(&held, "outbox")).await.unwrap()),
                _steady => {}
            }
        }
        seen
    };
    let seen = join_all((0..5).map(turbulent)).await;
    let mut owner: HashMap<(i16, i64), Uuid> = HashMap::new();
    for (lane, epoch, instance) in seen.into_iter().flatten() {
        let first = *owner.entry((lane, epoch)).or_insert(instance);
        assert_eq!(first, instance, "lane {lane} at epoch {epoch} had two holders");
    }
    assert!(owner.len() > 100, "there was turbulence: {}", owner.len());
}
