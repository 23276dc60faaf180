//! Contexts stand apart, and in each of them dependencies point inward.

use std::collections::{BTreeMap, BTreeSet};

use crate::metadata::dependencies;

/// Each room of a context, and the rooms of any context that it may know. A new edge is a decision:
/// it belongs into `ARCHITECTURE.md` as well.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("vibespro-domain", &[]),
    ("vibespro-ports", &["vibespro-domain"]),
    ("vibespro-app", &["vibespro-domain", "vibespro-ports"]),
    ("vibespro-adapters", &["vibespro-domain", "vibespro-ports"]),
    ("vibespro-public-api", &["vibespro-domain", "vibespro-ports", "vibespro-app", "vibespro-adapters"]),
    ("vibespro-api", &["vibespro-public-api"]),
    ("vibespro-cli", &["vibespro-public-api"]),
    ("sea-domain", &[]),
    ("sea-ports", &["sea-domain"]),
    ("sea-app", &["sea-domain", "sea-ports"]),
    // The border: what SEA knows of VibesPro, it knows here.
    ("sea-adapters", &["sea-domain", "sea-ports", "vibespro-public-api"]),
    ("sea-public-api", &["sea-domain", "sea-ports", "sea-app", "sea-adapters"]),
    ("sea-api", &["sea-public-api"]),
];

/// What only these rooms may depend on.
const KEPT_TO: &[(&str, &[&str])] = &[
    ("sqlx", &["vibespro-adapters", "sea-adapters"]),
    ("hyper", &["sea-adapters"]),
    ("axum", &["vibespro-api", "sea-api"]),
    ("clap", &["vibespro-cli"]),
    ("cel", &["sea-adapters"]),
    ("async-nats", &[]),
];

type Dependencies = BTreeMap<String, BTreeSet<String>>;

/// Every edge that is not allowed, as `from → to`. Of the substrate a context may know nothing: it
/// speaks to it in SQL and HTTP.
fn forbidden(dependencies: &Dependencies) -> Vec<String> {
    let rooms: BTreeSet<&str> = MAY_KNOW.iter().map(|(room, _)| *room).collect();
    let mut wrong = Vec::new();
    for (room, may_know) in MAY_KNOW {
        for known in dependencies.get(*room).into_iter().flatten() {
            let known = known.as_str();
            let another_room = rooms.contains(known) && !may_know.contains(&known);
            let kept = KEPT_TO.iter().any(|(library, keepers)| *library == known && !keepers.contains(room));
            if another_room || kept || known.starts_with("sea-mq") {
                wrong.push(format!("{room} → {known}"));
            }
        }
    }
    wrong
}

fn is_of_a_context(package: &str) -> bool {
    !package.starts_with("sea-mq") && (package.starts_with("sea-") || package.starts_with("vibespro-"))
}

#[test]
fn no_room_reaches_into_another() {
    assert_eq!(forbidden(&dependencies()), Vec::<String>::new());
}

#[test]
fn every_room_is_listed() {
    let listed: BTreeSet<String> = MAY_KNOW.iter().map(|(room, _)| (*room).to_owned()).collect();
    let there: BTreeSet<String> = dependencies().into_keys().filter(|name| is_of_a_context(name)).collect();
    assert_eq!(there, listed);
}

#[test]
fn an_edge_that_is_forbidden_is_found() {
    for (room, known) in [
        ("sea-adapters", "vibespro-domain"),
        ("sea-app", "vibespro-public-api"),
        ("sea-domain", "sea-ports"),
        ("vibespro-domain", "sqlx"),
        ("vibespro-app", "vibespro-adapters"),
        ("vibespro-public-api", "sea-public-api"),
        ("sea-app", "async-nats"),
        ("vibespro-adapters", "sea-mq-outbox"),
        ("sea-api", "sea-domain"),
    ] {
        let mut dependencies = dependencies();
        dependencies.get_mut(room).unwrap().insert(known.to_owned());
        assert_eq!(forbidden(&dependencies), [format!("{room} → {known}")]);
    }
}
