//! What the database refuses for good is told apart from what it may take later.

use sea_mq_inbox::{Arrival, Ingest};

use crate::support::{Context, arrival, count};

/// Records the bad one among good ones; nothing of the group may be written.
async fn refused(bad: Arrival) -> String {
    let context = Context::new().await;
    let right = Ingest { recorded_seq: 3, ..context.ingest.clone() };
    let group = [arrival(Some("a"), 1), bad, arrival(Some("b"), 3)];
    let error = context.inbox.record(&right, &group).await.unwrap_err();
    assert!(error.refuses_data(), "{error:?}");
    let written = "SELECT (SELECT count(*) FROM inbox_messages) + (SELECT count(*) FROM inbox_streams)";
    assert_eq!(count(&mut context.worker().await, written).await, 0);
    std::error::Error::source(&error).unwrap().to_string()
}

/// Text that no compression makes short.
fn noise(length: usize) -> String {
    (0..)
        .map(|_| uuid::Uuid::new_v4().simple().to_string())
        .flat_map(|hex| hex.into_bytes())
        .map(char::from)
        .take(length)
        .collect()
}

#[tokio::test]
async fn a_nul_in_a_text_is_refused() {
    let bad = Arrival { subject: "you.event.\0.v1".to_owned(), ..arrival(Some("a"), 2) };
    assert!(refused(bad).await.contains("UTF8"));
    refused(Arrival { aggregate_id: Some("\0".to_owned()), ..arrival(Some("a"), 2) }).await;
}

#[tokio::test]
async fn an_aggregate_that_fits_into_no_index_is_refused_when_recorded() {
    let too_long = refused(arrival(Some(&noise(3000)), 2)).await;
    assert!(too_long.contains("inbox_aggregate_fits"), "{too_long}");
    let kind = Arrival { aggregate_type: Some(noise(3000)), ..arrival(Some("a"), 2) };
    assert!(refused(kind).await.contains("inbox_aggregate_fits"));
}

#[tokio::test]
async fn the_longest_aggregate_goes_through_every_state() {
    let context = Context::new().await;
    let (id, kind) = (noise(1000), noise(500));
    let rows: Vec<Arrival> =
        (0..2).map(|n| Arrival { aggregate_type: Some(kind.clone()), ..arrival(Some(&id), n) }).collect();
    context.record(&rows).await;
    let ids: Vec<_> = rows.iter().map(|row| row.message_id).collect();
    context.inbox.put_behind(context.instance(), &ids).await.unwrap();
    assert_eq!(context.inbox.behind(rows[0].lane, Some(&kind), &id, 10).await.unwrap().len(), 2);
    assert_eq!(context.inbox.start(context.instance(), &ids).await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_over_long_key_is_refused() {
    let context = Context::new().await;
    let inbox = sea_mq_inbox::Inbox::new(context.impatient(1).await, &noise(4000));
    let mut worker = context.worker().await;
    let role = inbox.ingest_role().replace("ingest/", "");
    // The lease tables would refuse the name first; what is asked here is the row's own key.
    let error = sqlx::query(
        "INSERT INTO inbox_messages (message_id, consumer, subject, stream, stream_created_at, stream_seq, headers, body, state, lane)
         VALUES (gen_random_uuid(), $1, 's', 'S', now(), 1, '', '', 'ready', 0)",
    )
    .bind(role)
    .execute(&mut worker)
    .await
    .unwrap_err();
    let error = sea_mq_inbox::InboxError::Database { action: "record a group", source: error };
    assert!(error.refuses_data(), "{error:?}");
}

#[tokio::test]
async fn an_outage_is_no_refusal() {
    let context = Context::new().await;
    let pool = context.impatient(1).await;
    pool.close().await;
    let gone = sea_mq_inbox::Inbox::new(pool, "me__from_you");
    let error = gone.record(&context.ingest, &[arrival(None, 1)]).await.unwrap_err();
    assert!(!error.refuses_data(), "{error:?}");
}

#[test]
fn silence_is_no_refusal() {
    let within = sea_mq_database::ANSWER_WITHIN;
    let silence = sea_mq_inbox::InboxError::NoAnswer { action: "record a group", within };
    assert!(!silence.refuses_data());
    assert!(silence.to_string().contains("no answer within 15s"), "{silence}");
}
