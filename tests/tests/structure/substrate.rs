//! Data walks one way through the rooms: which crate may depend on which.

use std::collections::BTreeSet;

use crate::metadata::dependencies;

/// Each room of the substrate, and the rooms that it may know. A new edge is a decision: it belongs
/// into `ARCHITECTURE.md` as well.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("sea-mq-event", &[]),
    ("sea-mq-failpoint", &[]),
    ("sea-mq-config", &["event"]),
    ("sea-mq-contracts", &["event"]),
    // What contexts may depend on: types and nothing else.
    ("sea-mq-contract-types", &[]),
    ("sea-mq-observe", &["config", "event"]),
    ("sea-mq-database", &["event"]),
    ("sea-mq-lease", &["database", "failpoint"]),
    ("sea-mq-outbox", &["event", "database", "failpoint"]),
    ("sea-mq-inbox", &["database", "failpoint"]),
    ("sea-mq-stream", &["event", "failpoint"]),
    ("sea-mq-dispatch", &["event", "failpoint"]),
    ("sea-mq-conform", &["event", "dispatch"]),
    // What applications depend on.
    ("sea-mq-sdk", &[]),
    (
        "sea-mq-worker-lib",
        &[
            "event",
            "failpoint",
            "database",
            "lease",
            "outbox",
            "inbox",
            "stream",
            "dispatch",
            "config",
            "contracts",
            "observe",
            "sdk",
        ],
    ),
    ("sea-mq-stack", &[]),
    ("sea-mq-local", &["event", "stack", "database", "stream"]),
    ("sea-mq-testkit", &["event", "stack", "database", "stream", "failpoint", "outbox", "inbox"]),
    // Breaks what the testkit brings up, and lets its checker judge.
    ("sea-mq-chaos", &["stack", "stream", "testkit"]),
];

/// Crates that speak to Postgres, to NATS, to HTTP; no other room of the substrate may.
const SPEAKERS: &[(&str, &[&str])] = &[
    (
        "sqlx",
        &[
            "sea-mq-database",
            "sea-mq-lease",
            "sea-mq-outbox",
            "sea-mq-inbox",
            "sea-mq-worker-lib",
            "sea-mq-sdk",
            "sea-mq-conform",
            "sea-mq-local",
            "sea-mq-testkit",
            "sea-mq-chaos",
        ],
    ),
    ("async-nats", &["sea-mq-stream", "sea-mq-testkit"]),
    ("hyper", &["sea-mq-dispatch", "sea-mq-conform", "sea-mq-testkit"]),
];

#[test]
fn rooms_know_only_who_stands_before_them() {
    let dependencies = dependencies();
    let mut wrong = Vec::new();
    for (room, may_know) in MAY_KNOW {
        let known = dependencies.get(*room).unwrap_or_else(|| panic!("there is no room {room}"));
        let allowed: BTreeSet<String> = may_know.iter().map(|name| format!("sea-mq-{name}")).collect();
        let rooms = known.iter().filter(|name| name.starts_with("sea-mq-"));
        wrong.extend(rooms.filter(|name| !allowed.contains(*name)).map(|name| format!("{room} → {name}")));
    }
    assert!(wrong.is_empty(), "edges that lead back up: {wrong:?}");
}

#[test]
fn only_adapters_speak_to_servers() {
    let dependencies = dependencies();
    for (library, speakers) in SPEAKERS {
        for (room, _) in MAY_KNOW {
            let speaks = dependencies.get(*room).is_some_and(|known| known.contains(*library));
            assert!(!speaks || speakers.contains(room), "{room} speaks {library}");
        }
    }
}

#[test]
fn every_room_of_the_substrate_is_listed() {
    let listed: BTreeSet<&str> = MAY_KNOW.iter().map(|(room, _)| *room).collect();
    let apps = ["sea-mq", "sea-mq-worker", "sea-mq-demo", "sea-mq-tests"];
    for name in dependencies().keys().filter(|name| name.starts_with("sea-mq")) {
        assert!(listed.contains(name.as_str()) || apps.contains(&name.as_str()), "{name} is not listed");
    }
}
