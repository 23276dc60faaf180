//! From commit to call, at a steady rate.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sea_mq_testkit::World;
use sea_mq_tests::percentile;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

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
    println!("commit to call at {PER_SECOND}/s, {events} events");
    for share in [50, 90, 99] {
        println!("p{share}  {:>8.1} ms", percentile(&measured, share).as_secs_f64() * 1000.0);
    }
    Ok(())
}
