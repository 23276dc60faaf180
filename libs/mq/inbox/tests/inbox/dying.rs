//! Dead letters: dying, dead, held, redriven, discarded.

use sea_mq_inbox::{Arrival, GivenUp, Processed, Settled, Standing};
use uuid::Uuid;

use crate::support::{Context, all_lanes, arrival, lane_of, text};

/// A message of the aggregate that was given up: dying, with fence 2.
async fn dying(context: &Context, aggregate: Option<&str>) -> Uuid {
    let message = Arrival { start: true, ..arrival(aggregate, 7) };
    context.record(std::slice::from_ref(&message)).await;
    let gone = GivenUp {
        message_id: message.message_id,
        fence: 1,
        reason: "max_deliver",
        error: "500 for ever".to_owned(),
    };
    assert_eq!(context.inbox.settle_given_up(&[gone]).await.unwrap(), [(message.message_id, Settled::Done)]);
    message.message_id
}

async fn standing(context: &Context, id: Uuid) -> Standing {
    context.inbox.standing(&[id]).await.unwrap()[0].1
}

#[tokio::test]
async fn a_letter_says_everything() {
    let context = Context::new().await;
    let id = dying(&context, Some("a")).await;
    let inbox = &context.inbox;
    assert!(
        inbox.letters(&[(lane_of("a") + 1) % 32], 0, 10).await.unwrap().is_empty(),
        "another lane's owner"
    );
    let letters = inbox.letters(&[lane_of("a")], 0, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    let (letter, original) = (&letters[0], arrival(Some("a"), 7));
    assert_eq!((letter.message_id, letter.fence, letter.epoch, letter.attempts), (id, 2, 0, 1));
    assert_eq!(
        (&letter.subject, &letter.headers, &letter.body),
        (&original.subject, &original.headers, &original.body)
    );
    assert_eq!((letter.reason.as_str(), letter.error.as_deref()), ("max_deliver", Some("500 for ever")));
    assert_eq!(
        (letter.stream.as_str(), letter.stream_seq, letter.lane),
        (crate::support::STREAM, 7, lane_of("a"))
    );
    assert_eq!(
        (letter.aggregate_type.as_deref(), letter.aggregate_id.as_deref(), letter.exempt),
        (Some("case"), Some("a"), false)
    );
    dying(&context, Some("a")).await;
    assert_eq!(inbox.letters(&all_lanes(), 0, 1).await.unwrap().len(), 1, "the bound binds");
}

#[tokio::test]
async fn dead_without_hold_lets_the_aggregate_go_on() {
    let context = Context::new().await;
    let id = dying(&context, Some("a")).await;
    let inbox = &context.inbox;
    assert_eq!(standing(&context, id).await, Standing::Blocking);
    assert!(inbox.no_longer_blocking(&[id]).await.unwrap().is_empty());
    assert!(!inbox.mark_dead(id, 1, false).await.unwrap(), "not with an older fence");
    assert!(inbox.mark_dead(id, 2, false).await.unwrap());
    assert!(!inbox.mark_dead(id, 2, false).await.unwrap(), "once");
    assert_eq!(standing(&context, id).await, Standing::Dead);
    assert_eq!(inbox.no_longer_blocking(&[id]).await.unwrap(), [id]);
    assert!(inbox.letters(&all_lanes(), 0, 10).await.unwrap().is_empty());
    assert!(!inbox.discard(id).await.unwrap(), "it holds nothing");
    let mark = "SELECT concat_ws(' ', state, dead_epoch, dead_lettered_at IS NOT NULL, body IS NOT NULL) FROM inbox_messages";
    assert_eq!(text(&mut context.worker().await, mark).await, "dead 0 t t");
}

#[tokio::test]
async fn dead_with_hold_stops_the_aggregate_until_discarded() {
    let context = Context::new().await;
    let (id, single) = (dying(&context, Some("a")).await, dying(&context, None).await);
    let inbox = &context.inbox;
    assert!(inbox.mark_dead(id, 2, true).await.unwrap());
    assert!(inbox.mark_dead(single, 2, true).await.unwrap());
    assert_eq!(standing(&context, id).await, Standing::Holding);
    assert_eq!(standing(&context, single).await, Standing::Dead, "it has no aggregate to hold");
    assert!(inbox.no_longer_blocking(&[id]).await.unwrap().is_empty());
    assert!(inbox.discard(id).await.unwrap());
    assert!(!inbox.discard(id).await.unwrap());
    assert_eq!(inbox.no_longer_blocking(&[id]).await.unwrap(), [id]);
}

#[tokio::test]
async fn a_redriven_message_begins_anew_with_a_higher_epoch() {
    let context = Context::new().await;
    let inbox = &context.inbox;
    for (aggregate, hold, exempt) in [("a", false, "t"), ("b", true, "f")] {
        let id = dying(&context, Some(aggregate)).await;
        assert!(!inbox.redrive(id).await.unwrap(), "it is dying, not dead");
        assert!(inbox.mark_dead(id, 2, hold).await.unwrap());
        assert!(inbox.redrive(id).await.unwrap());
        assert!(!inbox.redrive(id).await.unwrap(), "once");
        assert_eq!(context.row(id).await, "waiting 0 2 1");
        let due = inbox.due(&[lane_of(aggregate)], None, 10).await.unwrap();
        assert!(due.iter().any(|due| due.row.message_id == id), "at once");
        let order =
            format!("SELECT concat_ws(' ', exempt, holding) FROM inbox_messages WHERE message_id = '{id}'");
        assert_eq!(
            text(&mut context.worker().await, &order).await,
            format!("{exempt} f"),
            "its aggregate went on without it, unless held"
        );
        // And dies once more, at its new epoch.
        let next = inbox.start(context.instance(), &[id]).await.unwrap();
        assert_eq!((next[0].fence, next[0].attempts), (3, 1));
        let gone = GivenUp { message_id: id, fence: 3, reason: "poison", error: "422".to_owned() };
        inbox.settle_given_up(&[gone]).await.unwrap();
        assert_eq!(inbox.letters(&[lane_of(aggregate)], 0, 10).await.unwrap()[0].epoch, 1);
        assert!(inbox.mark_dead(id, 4, false).await.unwrap());
    }
}

#[tokio::test]
async fn a_message_that_was_processed_meanwhile_does_not_die() {
    let context = Context::new().await;
    let id = dying(&context, Some("a")).await;
    let processed = context.inbox.settle_processed(&[Processed { message_id: id }]).await.unwrap();
    assert_eq!(processed, [(id, Settled::Done)]);
    assert!(!context.inbox.mark_dead(id, 2, true).await.unwrap());
    assert!(!context.inbox.redrive(id).await.unwrap());
    assert_eq!(standing(&context, id).await, Standing::Processed);
}
