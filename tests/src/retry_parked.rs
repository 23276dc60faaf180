//! Retries one parked row, as the operator's command does: a process of its own, so that a
//! failpoint may kill it. Takes the worker role's URL and the event's id.

use sea_mq_outbox::Outbox;
use sqlx::PgPool;
use uuid::Uuid;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (url, id) = (arguments.next().ok_or("no URL")?, arguments.next().ok_or("no event id")?);
    let outbox = Outbox::new(PgPool::connect(&url).await?);
    let rows = outbox.retry(Uuid::try_parse(&id)?).await?;
    eprintln!("{rows} rows are back in line");
    Ok(())
}
