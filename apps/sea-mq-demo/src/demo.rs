use std::time::Duration;

use anyhow::{Context as _, bail};
use sea_mq_local::{Context, Description, Notice, Notices, Options, System};
use sea_mq_stack::{StateDir, project_root};
use sea_mq_stream::Broker;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::api::Api;
use crate::effects::Effects;
use crate::ledger::{Flow, Totals};
use crate::recording::Action;
use crate::screen::Screen;
use crate::users::Experience;
use crate::verdict::{broken, is_settled, open, table};
use crate::{recording, story, stranger, users};

const POLL: Duration = Duration::from_millis(20);
/// Progress is shown at least this often.
const SHOW_EVERY: Duration = Duration::from_millis(1500);
/// Nothing finished for so long means that something is wrong.
const STALL_LIMIT: Duration = Duration::from_secs(30);
const READY_LIMIT: Duration = Duration::from_secs(60);
const MOST_NAMED: usize = 20;
/// What happens, and when: in this order.
const TROUBLES: [(When, Trouble); 5] = [
    (When::Committed(150), Trouble::Kill("vibespro-api")),
    (When::Committed(300), Trouble::Strangers),
    (When::Processed(120), Trouble::Kill("sea-worker-1")),
    (When::Processed(200), Trouble::Kill("sea-api")),
    (When::Processed(300), Trouble::Kill("sea-handlers")),
];

/// How far the way from vibespro to sea is.
#[derive(Clone, Copy)]
enum When {
    /// So many events are committed: the users are in the midst of their work.
    Committed(i64),
    /// So many are processed.
    Processed(i64),
}

impl When {
    fn has_come(self, to_sea: &Totals) -> bool {
        match self {
            Self::Committed(count) => to_sea.committed >= count,
            Self::Processed(count) => to_sea.processed >= count,
        }
    }
}

/// What the system has to live through.
#[derive(Clone, Copy)]
enum Trouble {
    /// SIGKILL of a program while it works.
    Kill(&'static str),
    /// Events that no use case has made.
    Strangers,
}

/// Runs the whole demo; true when every promise was kept.
///
/// # Errors
/// What could not be started, reached or stopped.
pub(crate) async fn run(state: &StateDir, screen: &Screen) -> anyhow::Result<bool> {
    let actions = recording::read(&project_root().join("demo/actions.jsonl"))?;
    let (sender, notices) = unbounded_channel();
    let options = Options { wished_ports: false, reload: false };
    let telling = Telling::of(screen.clone(), notices);
    let system = System::start(&description()?, state, options, &Notices::to(sender)).await?;
    screen.during("waiting until all are ready", system.wait_ready(READY_LIMIT)).await?;
    let (vibespro, sea) = (context(&system, "vibespro")?, context(&system, "sea")?);
    let flows = [Flow { from: vibespro, to: sea }, Flow { from: sea, to: vibespro }];
    let watch = Watch { screen, flows: &flows, broker: system.operator().await? };
    let operator = operator(&system).await?;
    work(&watch, &system, &operator, actions).await?;
    show_story(screen, &flows, state, &operator).await?;
    let kept = show_summary(&watch).await?;
    watch.broker.clone().close().await;
    screen.during("stopping everything in order", system.stop()).await?;
    telling.end().await;
    Ok(kept)
}

/// The system of `make dev`, with retries quick enough to look on.
fn description() -> anyhow::Result<Description> {
    let mut description = Description::read(&project_root().join("dev.toml"))?;
    for described in description.contexts.values_mut() {
        for (setting, value) in [("RETRY_BASE_MS", "200"), ("RETRY_CAP_SECS", "2")] {
            described.worker.insert(setting.to_owned(), value.to_owned());
        }
    }
    Ok(description)
}

fn context<'a>(system: &'a System, name: &str) -> anyhow::Result<&'a Context> {
    system.context(name).with_context(|| format!("dev.toml has no context {name}"))
}

/// A bare NATS client that may do everything: what a person on call has at hand.
async fn operator(system: &System) -> anyhow::Result<async_nats::Client> {
    let password = system.operator_password().to_owned();
    let options = async_nats::ConnectOptions::with_user_and_password("operator".to_owned(), password);
    Ok(options.connect(system.nats_urls()).await?)
}

/// Shows what the system says of itself, but not the programs' own lines: they are in their logs.
struct Telling(JoinHandle<()>);

impl Telling {
    fn of(screen: Screen, mut notices: UnboundedReceiver<Notice>) -> Self {
        Self(tokio::spawn(async move {
            while let Some(notice) = notices.recv().await {
                match notice {
                    Notice::Step(step) => screen.say(&step),
                    Notice::Program { program, what } => screen.say(&format!("  {program} {what}")),
                    Notice::Line { .. } => {}
                }
            }
        }))
    }

    async fn end(self) {
        // It ends when the last of those who tell has gone.
        drop(self.0.await);
    }
}

/// The flow itself: the users' morning with its troubles, then quiet.
async fn work(
    watch: &Watch<'_>,
    system: &System,
    operator: &async_nats::Client,
    actions: Vec<Action>,
) -> anyhow::Result<()> {
    let count = actions.len();
    watch.screen.say(&format!("the users begin: {count} actions, over HTTP, several users at once"));
    let morning = tokio::spawn(users::play(Api::at(system.url("vibespro-api")?), actions));
    for (when, trouble) in TROUBLES {
        watch.until("it is time for the next trouble", |to_sea, _| when.has_come(to_sea)).await?;
        make(trouble, watch, system, operator).await?;
    }
    let Experience { actions, repeats } = morning.await??;
    watch.screen.say(&format!(
        "the users are done: {actions} actions; {repeats} requests were repeated under their idempotency keys"
    ));
    watch.until("everything has come to its end", |to_sea, back| is_settled(to_sea) && is_settled(back)).await
}

async fn make(
    trouble: Trouble,
    watch: &Watch<'_>,
    system: &System,
    operator: &async_nats::Client,
) -> anyhow::Result<()> {
    match trouble {
        Trouble::Kill(name) => {
            watch.screen.say(&format!("killing {name} with SIGKILL while it works"));
            system.kill(name).await?;
        }
        Trouble::Strangers => {
            let written = stranger::run_careless_script(&context(system, "vibespro")?.app_url).await?;
            watch.screen.say(&format!("a careless script wrote {written} events of its own into the outbox"));
            stranger::publish_past_the_outbox(operator).await?;
            watch.screen.say("somebody published a message past the outbox, without an id");
        }
    }
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

/// One event from its commit to what it caused, and on to what that became.
async fn show_story(
    screen: &Screen,
    flows: &[Flow<'_>; 2],
    state: &StateDir,
    streams: &async_nats::Client,
) -> anyhow::Result<()> {
    let [to_sea, back] = flows;
    let log = |program: &str| std::fs::read_to_string(state.log(program)).unwrap_or_default();
    let id = story::worth_telling(to_sea).await?.context("no score was processed")?;
    screen.plain("\nOne event, step by step\n");
    for line in story::tell(to_sea, id, &log("sea-handlers"), streams).await? {
        screen.plain(&line);
    }
    for caused in story::caused(&to_sea.to.observer, id).await? {
        screen.plain("\nwhat it caused\n");
        for line in story::tell(back, caused, &log("vibespro-handlers"), streams).await? {
            screen.plain(&line);
        }
    }
    Ok(())
}

/// The totals from databases and streams, and what they say.
async fn show_summary(watch: &Watch<'_>) -> anyhow::Result<bool> {
    let totals = watch.totals().await?;
    let [to_sea, back] = watch.flows;
    let effects = Effects::read(&to_sea.from.observer, &back.from.observer).await?;
    let columns: Vec<_> = watch.flows.iter().map(Flow::title).zip(totals).collect();
    watch.screen.plain("\nTotals, from the databases and the streams\n");
    table(&columns).iter().for_each(|line| watch.screen.plain(line));
    watch.screen.plain("\nWhat the applications kept, from their own tables\n");
    effects.table().iter().for_each(|line| watch.screen.plain(line));
    watch.screen.plain("");
    let wrong = effects.broken();
    wrong.iter().for_each(|promise| watch.screen.plain(&format!("BROKEN   effects: {promise}")));
    if watch.show_broken(&totals).await? || !wrong.is_empty() {
        return Ok(false);
    }
    watch.screen.plain("kept: every committed event was processed once, dead-lettered or parked, in order\n");
    Ok(true)
}
