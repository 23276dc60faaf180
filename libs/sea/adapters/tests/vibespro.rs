//! VibesPro behind SEA's port: one suite for every way to it, over a real VibesPro.
#![allow(clippy::unwrap_used)]

#[path = "support/databases.rs"]
mod support;

use std::sync::Arc;

use sea_adapters::{HttpVibesPro, InProcessVibesPro};
use sea_domain::VibeRef;
use sea_ports::{CapabilityError, NewVibe, ScoreVibe, VibesProCapability};
use tokio::net::TcpListener;
use vibespro_public_api::{CallContext, InProcess, Options, RegisterUser, VibesPro as _};

/// A VibesPro with the user `ada`, and its database.
async fn vibespro() -> (InProcess, support::Database) {
    let database = support::vibespro().await;
    let vibespro = InProcess::connect(&database.app_url, &Options::default()).unwrap();
    let ada = RegisterUser { name: "Ada".to_owned() };
    vibespro.register_user("ada".to_owned(), ada, CallContext::default()).await.unwrap();
    (vibespro, database)
}

/// Serves the real routes on a free port until the test ends.
async fn served(vibespro: InProcess) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, vibespro_api::router(Arc::new(vibespro))).await });
    format!("http://{address}")
}

#[tokio::test]
async fn in_process_conforms() {
    let (_vibespro, database) = vibespro().await;
    conforms(&InProcessVibesPro::connect(&database.app_url).unwrap(), &database).await;
}

#[tokio::test]
async fn over_http_conforms() {
    let (vibespro, database) = vibespro().await;
    conforms(&HttpVibesPro::new(&served(vibespro).await).unwrap(), &database).await;
}

async fn conforms(capability: &impl VibesProCapability, database: &support::Database) {
    creates_and_shows(capability).await;
    scores_the_revision_that_was_seen(capability).await;
    refuses_what_vibespro_refuses(capability, database).await;
    knows_no_other_vibes(capability).await;
}

fn calm() -> NewVibe {
    NewVibe { owner: "ada".to_owned(), title: " Calm ".to_owned(), description: "ü\n\"quoted\"".to_owned() }
}

async fn creates_and_shows(capability: &impl VibesProCapability) {
    let made = capability.create_vibe(calm()).await.unwrap();
    assert_eq!(
        (made.owner.as_str(), made.title.as_str(), made.revision, made.score),
        ("ada", "Calm", 1, None)
    );
    assert_eq!(capability.vibe_summary(&made.vibe_id).await.unwrap(), made);
}

async fn scores_the_revision_that_was_seen(capability: &impl VibesProCapability) {
    let made = capability.create_vibe(calm()).await.unwrap();
    let score =
        |score, expected_revision| ScoreVibe { vibe_id: made.vibe_id.clone(), score, expected_revision };
    let scored = capability.score_vibe(score(80, 1)).await.unwrap();
    assert_eq!((scored.revision, scored.score), (2, Some(80)));
    let stale = capability.score_vibe(score(81, 1)).await.unwrap_err();
    assert!(matches!(stale, CapabilityError::Stale { current: 2 }), "{stale}");
    let invalid = capability.score_vibe(score(101, 2)).await.unwrap_err();
    assert!(matches!(&invalid, CapabilityError::Invalid(why) if why.contains("score")), "{invalid}");
    assert_eq!(capability.vibe_summary(&made.vibe_id).await.unwrap(), scored, "refusals change nothing");
}

async fn refuses_what_vibespro_refuses(capability: &impl VibesProCapability, database: &support::Database) {
    let before = database.events().await;
    for (vibe, part) in [
        (NewVibe { title: "x".repeat(121), ..calm() }, "title"),
        (NewVibe { title: "  ".to_owned(), ..calm() }, "title"),
        (NewVibe { owner: "nobody".to_owned(), ..calm() }, "nobody"),
        (NewVibe { owner: "Not A Name".to_owned(), ..calm() }, "user"),
    ] {
        let refused = capability.create_vibe(vibe).await.unwrap_err();
        assert!(
            matches!(&refused, CapabilityError::Invalid(why) if why.contains(part)),
            "{part}: {refused:?}"
        );
    }
    assert_eq!(database.events().await, before);
}

async fn knows_no_other_vibes(capability: &impl VibesProCapability) {
    for id in ["00000000-0000-0000-0000-000000000000", "not-a-uuid", "../users"] {
        let vibe_id = VibeRef::parse(id).unwrap();
        let refused = capability.vibe_summary(&vibe_id).await.unwrap_err();
        assert!(matches!(refused, CapabilityError::NotFound), "{id}: {refused:?}");
        let score = ScoreVibe { vibe_id, score: 1, expected_revision: 1 };
        let refused = capability.score_vibe(score).await.unwrap_err();
        assert!(matches!(refused, CapabilityError::NotFound), "{id}: {refused:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_reached_is_unavailable() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let database = format!("postgres://vibespro_app:x@{address}/vibespro_db");
    unavailable(&InProcessVibesPro::connect(&database).unwrap()).await;
    unavailable(&HttpVibesPro::new(&format!("http://{address}")).unwrap()).await;
}

/// Some other server, or the wrong path of the right one.
#[tokio::test]
async fn an_address_that_is_not_vibespros_is_unavailable_and_no_unknown_vibe() {
    let (vibespro, _database) = vibespro().await;
    unavailable(&HttpVibesPro::new(&format!("{}/elsewhere", served(vibespro).await)).unwrap()).await;
}

async fn unavailable(capability: &impl VibesProCapability) {
    let vibe_id = VibeRef::parse("00000000-0000-0000-0000-000000000000").unwrap();
    let refused = capability.vibe_summary(&vibe_id).await.unwrap_err();
    assert!(matches!(refused, CapabilityError::Unavailable { .. }), "{refused:?}");
}
