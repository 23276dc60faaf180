//! `sea-mq replay`: what the stream of a context has lost is published again from its outbox.
//!
//! ```text
//!   held      which ids the stream holds         (JetStream, headers alone)
//!   missing   which published rows are not there (one pass over the outbox)
//!   sending   publish, in order per aggregate; then write the new place into the row
//! ```
//!
//! Nothing is remembered between two runs but the place in each row: a run that was cut off is
//! completed by another one.

mod filter;
mod held;
mod line;
mod missing;
mod patience;
mod progress;
mod report;
mod sending;
mod since;
mod window;

use std::time::{Duration, Instant};

use clap::Args;
use sea_mq_config::NatsSettings;
use sea_mq_event::ContextName;
use sea_mq_outbox::{Outbox, OutboxError, PublishedQuery};
use sea_mq_stream::{Broker, StreamError, StreamFacts};
use time::OffsetDateTime;

use crate::failure::{Failure, in_one_line};
use crate::outbox::WorkerDatabase;
use crate::output::Output;
use held::Held;
use missing::find;
use patience::patiently;
use progress::Progress;
use report::Report;
use sending::Sending;
use since::Since;

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The context whose events are published again, such as `vibespro`.
    #[arg(long, value_name = "NAME", env = "CONTEXT", value_parser = crate::context::parse)]
    context: ContextName,
    #[command(flatten)]
    database: WorkerDatabase,
    /// Comma-separated; otherwise NATS_SERVERS. Log in as the operator: NATS_USER, NATS_PASSWORD etc.
    #[arg(long, value_name = "URL,…", value_delimiter = ',')]
    nats_servers: Vec<String>,
    /// The stream [default: NAME_EVENTS].
    #[arg(long, value_name = "STREAM", env = "PUBLISH_STREAM")]
    stream: Option<String>,
    /// Events published since then: a time such as 2026-11-22T18:00:00Z, or how long ago, such as 36h
    /// or 10d [default: as long as the stream keeps them].
    #[arg(long, value_name = "TIME", value_parser = Since::parse)]
    since: Option<Since>,
    /// Only events with such a subject, such as `vibespro.event.vibe_created.*`.
    #[arg(long, value_name = "FILTER", value_parser = filter::pattern)]
    subject: Option<String>,
    /// Publish at most this many a second.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Say what would be published again and change nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(args: ReplayArgs, output: &Output) -> Result<(), Failure> {
    let outbox = Outbox::new(args.database.open().await?);
    belongs(&outbox, &args.context).await?;
    let mut nats = NatsSettings::load()?;
    if !args.nats_servers.is_empty() {
        nats.servers.clone_from(&args.nats_servers);
    }
    let broker = crate::broker::connect(&nats, &args.context, "sea-mq replay").await?;
    let repair = Repair::begin(&args, outbox, broker.clone()).await?;
    let done = repair.run(&args).await;
    broker.close().await;
    let mut report = done?;
    let stopped = report.stopped.take();
    output.print(&report.to_text(), &report.to_json())?;
    match stopped {
        Some(failure) => Err(failure),
        None => report.complaint().map_or(Ok(()), |complaint| Err(Failure::partly(complaint))),
    }
}

async fn belongs(outbox: &Outbox, context: &ContextName) -> Result<(), Failure> {
    let found = outbox.context().await.map_err(database_failure)?;
    if found == context.as_str() {
        let may_mark = outbox.may_mark().await.map_err(database_failure)?;
        let no_right = format!("this role may not write to the outbox: log in as {context}_worker");
        return if may_mark { Ok(()) } else { Err(Failure::not_permitted(no_right)) };
    }
    Err(Failure::configuration(format!(
        "this database is that of context {found}, not of {context}: give the database of {context}, as {context}_worker, with --url or DB_URL"
    )))
}

/// What a repair works with: nothing of it changes while it runs.
struct Repair {
    outbox: Outbox,
    broker: Broker,
    stream: String,
    /// The stream as it was at the beginning: all acks must be of this incarnation.
    facts: StreamFacts,
    /// The beginning, by the database's clock and by our own.
    began: (OffsetDateTime, Instant),
    since: OffsetDateTime,
    /// What was due before may be in no inbox any more when it arrives, and would be handled once more.
    horizon: OffsetDateTime,
}

/// An inbox forgets no event sooner: the settings refuse a shorter retention.
const REMEMBERED: Duration = Duration::from_secs(31 * 24 * 60 * 60);
/// What is about to be too old for the stream is not looked for: it would seem to be purged.
const EXPIRING: Duration = Duration::from_secs(10 * 60);

impl Repair {
    async fn begin(args: &ReplayArgs, outbox: Outbox, broker: Broker) -> Result<Self, Failure> {
        let stream = args.stream.clone().unwrap_or_else(|| args.context.event_stream());
        // In this order: whatever was published before that time is in the stream that is looked at then.
        let began = (outbox.now().await.map_err(database_failure)?, Instant::now());
        let facts = patiently(|| broker.stream_info(&stream)).await.map_err(broker_failure)?;
        let since = match args.since {
            Some(since) => since.before(began.0),
            None => Since::Ago(facts.max_age().map_or(Duration::MAX, not_expiring)).before(began.0),
        };
        // It may lie in the stream for as long as that keeps it before a consumer takes it.
        let in_stream = facts.max_age().unwrap_or(REMEMBERED / 2);
        let horizon = Since::Ago(REMEMBERED.saturating_sub(in_stream)).before(began.0);
        Ok(Self { outbox, broker, stream, facts, began, since, horizon })
    }

    async fn run(&self, args: &ReplayArgs) -> Result<Report, Failure> {
        let mut progress = Progress::new();
        let held = Held::read(&self.broker, &self.stream, &self.facts, &mut progress).await;
        let held = held.map_err(broker_failure)?;
        let mut report = Report::new(self, held.messages(), args.dry_run);
        let mut query = PublishedQuery {
            stream: self.stream.clone(),
            incarnation: self.facts.created,
            since: self.since,
            before: self.began.0,
            subject: args.subject.clone(),
            above: 0,
        };
        loop {
            let found = match find(&self.outbox, &query, &held, self.horizon, &mut progress).await {
                Ok(found) => found,
                Err(error) => return report.broken_off(database_failure(error)),
            };
            report.looked(&found.tally);
            let Some((last, _)) = found.rows.last().copied() else { return Ok(report) };
            if args.dry_run {
                report.would(&found.rows);
            } else {
                let sending = Sending::new(self, found.rows, args.rate);
                Box::pin(sending.run(&mut report, &mut progress)).await;
            }
            if report.stopped.is_some() || !found.more {
                return Ok(report);
            }
            query.above = last;
        }
    }
}

fn not_expiring(max_age: Duration) -> Duration {
    max_age - EXPIRING.min(max_age / 10)
}

fn database_failure(error: OutboxError) -> Failure {
    let is_denied = match &error {
        OutboxError::Database { source, .. } => {
            source.as_database_error().is_some_and(|error| error.code().as_deref() == Some("42501"))
        }
        OutboxError::NoAnswer { .. } => false,
    };
    let text = in_one_line(&error);
    if is_denied {
        return Failure::not_permitted(format!("{text}; give the context's database as NAME_worker"));
    }
    Failure::failed(text)
}

/// What to do about a denial.
const AS_OPERATOR: &str = "sea-mq replay reads the stream and publishes to it: log in as a user who may do both, such as NATS_USER=operator";

fn broker_failure(error: StreamError) -> Failure {
    match &error {
        StreamError::Denied { doing, subject, .. } => Failure::not_permitted(format!(
            "{doing}: NATS does not permit this user to use `{subject}`; {AS_OPERATOR}"
        )),
        StreamError::BadAddress { .. }
        | StreamError::Unreachable { .. }
        | StreamError::LoginRefused { .. }
        | StreamError::Tls { .. }
        | StreamError::Credentials { .. }
        | StreamError::StreamMissing { .. }
        | StreamError::ConsumerMissing { .. }
        | StreamError::Disconnected { .. }
        | StreamError::Timeout { .. }
        | StreamError::NoResponders { .. }
        | StreamError::Api { .. }
        | StreamError::Unreadable { .. }
        | StreamError::Unsendable { .. }
        | StreamError::TopologyRefused { .. }
        | StreamError::RangeDisturbed { .. } => error.into(),
    }
}
