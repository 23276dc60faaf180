use std::time::Duration;

use anyhow::{Context as _, bail};
use sea_mq_stack::{StateDir, project_root};
use sea_mq_stream::Broker;
use sqlx::PgPool;
use tokio::time::Instant;

use crate::context::{self, Context, Secrets};
use crate::ledger::{Flow, Totals};
use crate::programs::Programs;
use crate::recording::{self, Action};
use crate::screen::Screen;
use crate::servers::Servers;
use crate::verdict::{broken, is_settled, open, table};
use crate::{application, story};

const POLL: Duration = Duration::from_millis(20);
/// Progress is shown at least this often.
const SHOW_EVERY: Duration = Duration::from_millis(1500);
/// Nothing finished for so long means that something is wrong.
const STALL_LIMIT: Duration = Duration::from_secs(30);
/// Events of the first part that are finished before a worker is killed.
const BEFORE_KILL: i64 = 40;
const MOST_NAMED: usize = 20;

/// Runs the whole demo; true when every promise was kept.
///
/// # Errors
/// What could not be started, reached or stopped.
pub(crate) async fn run(state: &StateDir, screen: &Screen) -> anyhow::Result<bool> {
    let actions = recording::read(&project_root().join("demo/events.jsonl"))?;
    let secrets = (Secrets::of("vibespro")?, Secrets::of("sea")?);
    let starting = Servers::start(state, [&secrets.0, &secrets.1]);
    let mut servers = screen.during("starting Postgres and three NATS nodes", starting).await?;
    let (vibespro, sea) = screen
        .during("making both contexts: databases, roles, tables, streams", build(&servers, &secrets))
        .await?;
    let nats = servers.nats.client_urls();
    let starting = Programs::start(state, &vibespro, &sea, &nats);
    let mut programs = screen.during("starting two handlers and three workers", starting).await?;
    screen.say("all are ready; vibespro's users begin");
    let flows = [
        Flow { from: &vibespro, to: &sea, history: "case_history" },
        Flow { from: &sea, to: &vibespro, history: "vibe_history" },
    ];
    let watch = Watch { screen, flows: &flows, broker: servers.operator().await? };
    work(&watch, &servers, &mut programs, &actions, &vibespro.app_url).await?;
    show_story(screen, &flows, &programs, &actions, &servers.bare_client().await?).await?;
    let kept = show_summary(&watch).await?;
    watch.broker.clone().close().await;
    for context in [&vibespro, &sea] {
        context.observer.close().await;
    }
    screen.during("stopping workers and handlers in order", programs.stop()).await?;
    screen.during("stopping the servers", servers.stop()).await?;
    Ok(kept)
}

async fn build(servers: &Servers, secrets: &(Secrets, Secrets)) -> anyhow::Result<(Context, Context)> {
    let vibespro = context::build(&servers.postgres, &secrets.0).await?;
    let sea = context::build(&servers.postgres, &secrets.1).await?;
    servers.apply_topology([&vibespro, &sea]).await?;
    Ok((vibespro, sea))
}

/// The flow itself: half of the recording, a stranger and a death, the other half, then quiet.
async fn work(
    watch: &Watch<'_>,
    servers: &Servers,
    programs: &mut Programs,
    actions: &[Action],
    app_url: &str,
) -> anyhow::Result<()> {
    let app = PgPool::connect(app_url).await?;
    let (first, second) = actions.split_at(actions.len() / 2);
    application::commit(&app, first).await?;
    watch.screen.say(&format!("committed the first {} events in application transactions", first.len()));
    watch.until("the first of them are processed", |to_sea, _| to_sea.processed >= BEFORE_KILL).await?;
    publish_past_the_outbox(&servers.bare_client().await?).await?;
    watch.screen.say("somebody published a message past the outbox, without an id");
    let [_, victim, _] = &mut programs.workers;
    victim.kill().await;
    watch.screen.say(&format!("killed {} with SIGKILL while it worked", victim.name()));
    application::commit(&app, second).await?;
    watch.screen.say(&format!("committed the other {} events", second.len()));
    app.close().await;
    watch.until("everything has come to its end", |to_sea, back| is_settled(to_sea) && is_settled(back)).await
}

/// A request, whose answer is the stream's ack.
async fn publish_past_the_outbox(client: &async_nats::Client) -> anyhow::Result<()> {
    client.request("vibespro.event.vibe_created.v1", "{\"vibe_id\": \"vibe-x\"}".into()).await?;
    Ok(())
}

/// Looks at both directions from outside.
struct Watch<'a> {
    screen: &'a Screen,
    flows: &'a [Flow<'a>; 2],
    broker: Broker,
}

impl Watch<'_> {
    async fn totals(&self) -> anyhow::Result<[Totals; 2]> {
        let [to_sea, back] = self.flows;
        Ok([to_sea.totals(&self.broker).await?, back.totals(&self.broker).await?])
    }

    /// Waits for a condition of the totals. Ends with it, or with what is missing once nothing has
    /// moved for long.
    async fn until(&self, what: &str, holds: impl Fn(&Totals, &Totals) -> bool) -> anyhow::Result<()> {
        let (mut shown, mut moved, mut before) = (Instant::now(), Instant::now(), None);
        let mut last_shown = None;
        loop {
            let totals = self.totals().await?;
            if before.replace(totals) != Some(totals) {
                moved = Instant::now();
            }
            let done = holds(&totals[0], &totals[1]);
            if done || shown.elapsed() >= SHOW_EVERY {
                shown = Instant::now();
                self.show_progress(&totals, last_shown.replace(totals) == Some(totals));
            }
            if done {
                return Ok(());
            }
            if moved.elapsed() >= STALL_LIMIT {
                self.show_broken(&totals).await?;
                bail!("nothing has moved for {} s, and still not: {what}", STALL_LIMIT.as_secs());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn show_progress(&self, totals: &[Totals; 2], nothing_new: bool) {
        if nothing_new {
            let [to_sea, back] = totals.map(|totals| open(&totals));
            self.screen.say(&format!("  … nothing new; open are {to_sea} and {back}"));
            return;
        }
        for (flow, t) in self.flows.iter().zip(totals) {
            self.screen.say(&format!(
                "  {:14}  committed {:3}  published {:3}  processed {:3}  dead-lettered {:2}  open {:3}",
                flow.title(),
                t.committed,
                t.published,
                t.processed,
                t.dead,
                open(t)
            ));
        }
    }

    /// Names every broken promise and the events that are missing; true when there are any.
    async fn show_broken(&self, totals: &[Totals; 2]) -> anyhow::Result<bool> {
        let mut any = false;
        for (flow, totals) in self.flows.iter().zip(totals) {
            for promise in broken(totals) {
                any = true;
                self.screen.plain(&format!("BROKEN   {}: {promise}", flow.title()));
            }
        }
        if any {
            self.show_missing().await?;
        }
        Ok(any)
    }

    async fn show_missing(&self) -> anyhow::Result<()> {
        for flow in self.flows {
            for missing in flow.missing(MOST_NAMED).await? {
                self.screen.plain(&format!("MISSING  {}: {missing}", flow.title()));
            }
        }
        Ok(())
    }
}

/// One event from its commit to what it caused.
async fn show_story(
    screen: &Screen,
    flows: &[Flow<'_>; 2],
    programs: &Programs,
    actions: &[Action],
    streams: &async_nats::Client,
) -> anyhow::Result<()> {
    let id = recording::to_follow(actions).context("the recording has no event to follow")?.id;
    let [vibespro_handler, sea_handler] = &programs.handlers;
    let [to_sea, back] = flows;
    screen.plain("\nOne event, step by step\n");
    for line in story::tell(to_sea, id, &sea_handler.output(), streams).await? {
        screen.plain(&line);
    }
    for caused in story::caused(&to_sea.to.observer, id).await? {
        screen.plain("\nwhat it caused\n");
        for line in story::tell(back, caused, &vibespro_handler.output(), streams).await? {
            screen.plain(&line);
        }
    }
    Ok(())
}

/// The totals from databases and streams, and what they say.
async fn show_summary(watch: &Watch<'_>) -> anyhow::Result<bool> {
    let totals = watch.totals().await?;
    let columns: Vec<_> = watch.flows.iter().map(Flow::title).zip(totals).collect();
    watch.screen.plain("\nTotals, from the databases and the streams\n");
    for line in table(&columns) {
        watch.screen.plain(&line);
    }
    watch.screen.plain("");
    if watch.show_broken(&totals).await? {
        return Ok(false);
    }
    watch.screen.plain("kept: committed = processed + dead-lettered, effects = processed, in order\n");
    Ok(true)
}
