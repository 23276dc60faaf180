//! From commit to call, at a steady rate.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sea_mq_testkit::World;
use sea_mq_tests::percentile;
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use uuid::Uuid;

use crate::handler::watching_handler;

const PER_SECOND: u64 = 500;
/// Not measured: connections, plans and caches come to be.
const WARM_UP: usize = 500;
const LIMIT: Duration = Duration::from_secs(60);

/// Commits each event in a transaction of its own while both workers run.
pub(crate) async fn measure(world: &World, events: usize) -> Result<(), Box<dyn std::error::Error>> {
    let lags = Arc::new(Mutex::new(Vec::new()));
    let url = watching_handler(Arc::clone(&lags)).await?;
    let _publisher = world.worker("vibespro").start().await?;
    let _consumer = crate::consumer(world, &url).await?;
    let context = world.context("vibespro")?;
    let mut ticks = interval(Duration::from_secs(1) / u32::try_from(PER_SECOND)?);
    let mut commits = JoinSet::new();
    for n in 0..events + WARM_UP {
        ticks.tick().await;
        let (app, subject) = (context.app.clone(), context.subject("vibe_created"));
        commits.spawn(async move {
            sqlx::query(
                "INSERT INTO outbox_events (id, subject, payload, occurred_at, aggregate_type, aggregate_id)
                 VALUES (gen_random_uuid(), $1, jsonb_build_object('n', $2::int, 'filling', repeat('x', 480)),
                         clock_timestamp(), 'vibe', 'v-' || $2::int % 5000)",
            )
            .bind(subject)
            .bind(i32::try_from(n).unwrap())
            .execute(&app)
            .await
        });
        while commits.try_join_next().transpose()?.transpose()?.is_some() {}
    }
    while commits.join_next().await.transpose()?.transpose()?.is_some() {}
    let until = Instant::now() + LIMIT;
    while lags.lock().unwrap().len() < events + WARM_UP {
        if Instant::now() > until {
            return Err(format!("not called within {LIMIT:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut measured = lags.lock().unwrap()[WARM_UP..].to_vec();
    measured.sort_unstable();
    println!("from the INSERT, at {PER_SECOND}/s, {events} events: p50, p90, p99 in ms");
    show("marked published", &published(world).await?);
    show("recorded", &recorded(world).await?);
    show("called", &measured);
    Ok(())
}

fn show(what: &str, sorted: &[Duration]) {
    let [half, most, all] = [50, 90, 99].map(|share| percentile(sorted, share).as_secs_f64() * 1000.0);
    println!("{what:17} {half:>8.1} {most:>8.1} {all:>8.1}");
}

async fn published(world: &World) -> Result<Vec<Duration>, Box<dyn std::error::Error>> {
    let times: Vec<f64> = sqlx::query_scalar(
        "SELECT extract(epoch FROM published_at - occurred_at)::float8 FROM outbox_events ORDER BY 1",
    )
    .fetch_all(&world.context("vibespro")?.admin)
    .await?;
    Ok(times.into_iter().map(|secs| Duration::from_secs_f64(secs.max(0.0))).collect())
}

async fn recorded(world: &World) -> Result<Vec<Duration>, Box<dyn std::error::Error>> {
    let sent: Vec<(Uuid, OffsetDateTime)> = sqlx::query_as("SELECT id, occurred_at FROM outbox_events")
        .fetch_all(&world.context("vibespro")?.admin)
        .await?;
    let sent: HashMap<Uuid, OffsetDateTime> = sent.into_iter().collect();
    let came: Vec<(Uuid, OffsetDateTime)> =
        sqlx::query_as("SELECT message_id, received_at FROM inbox_messages")
            .fetch_all(&world.context("sea")?.admin)
            .await?;
    let took =
        came.iter().filter_map(|(id, at)| Some(Duration::try_from(*at - *sent.get(id)?).unwrap_or_default()));
    let mut took: Vec<Duration> = took.collect();
    took.sort_unstable();
    Ok(took)
}
