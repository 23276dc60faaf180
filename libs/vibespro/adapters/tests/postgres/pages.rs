use vibespro_app::{AppError, Call, PageRequest, RegisterUser};

use crate::support::{Context, execute};

#[tokio::test]
async fn pages_show_every_vibe_once_newest_first() {
    let context = Context::new().await;
    for number in 0..5 {
        context.create(&format!("{number}")).await;
    }
    // Of the same moment: their ids decide.
    execute(&mut context.app().await, "UPDATE vibes SET created_at = now() WHERE title IN ('1', '2', '3')")
        .await;
    let mut seen = Vec::new();
    let mut request = PageRequest { limit: Some(2), cursor: None };
    loop {
        let page = context.vibespro.vibes_of_user("ada".to_owned(), request).await.unwrap();
        assert!((1..=2).contains(&page.items.len()));
        seen.extend(page.items);
        let Some(cursor) = page.next_cursor else { break };
        request = PageRequest { limit: Some(2), cursor: Some(cursor) };
    }
    let keys: Vec<_> = seen.iter().map(|vibe| (vibe.created_at, vibe.vibe_id)).collect();
    assert_eq!(keys.len(), 5);
    assert!(keys.is_sorted_by(|newer, older| newer > older), "{keys:?}");
    let all = context.vibespro.vibes_of_user("ada".to_owned(), PageRequest::default()).await.unwrap();
    assert_eq!((all.items, all.next_cursor), (seen, None));
}

#[tokio::test]
async fn a_user_without_vibes_is_not_an_unknown_user() {
    let context = Context::new().await;
    let bob = RegisterUser { user_id: "bob".to_owned(), name: "Bob".to_owned() };
    context.vibespro.register_user(bob, Call::default()).await.unwrap();
    let page = |user: &str| context.vibespro.vibes_of_user(user.to_owned(), PageRequest::default());
    assert!(page("bob").await.unwrap().items.is_empty());
    for nobody in ["eve", "Not An Id"] {
        assert_eq!(page(nobody).await, Err(AppError::UnknownUser(nobody.to_owned())));
    }
}
