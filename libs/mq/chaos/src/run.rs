//! A run from bringing the system up to its verdict.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::ground::{CONTEXTS, Ground};
use crate::inject::{Injection, Notice, Repair};
use crate::judge;
use crate::load::{Ledger, Load};
use crate::recovery::{note_recoveries, slow_recoveries};
use crate::report::{FaultOutcome, FaultRecord, Outcome, Report, Versions, ViolationRecord, clock, span};
use crate::schedule::{Planned, schedule};
use crate::watch::{Place, Watch, Watching};
use crate::{ChaosError, Options};

/// The load flows for so long before the first fault.
const WARM_UP: Duration = Duration::from_secs(5);
/// A repair waits for the duplicate window, and is disturbed by faults.
const REPAIR_LIMIT: Duration = Duration::from_secs(400);
/// After the last heal. The bar is much shorter: what takes longer still is told, not waited for.
const DRAIN_LIMIT: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a run left behind.
#[derive(Debug)]
pub struct Finished {
    /// What happened, and the verdict.
    pub report: Report,
    /// The same as a page.
    pub page: PathBuf,
}

/// Brings the system up, breaks it by the schedule, lets it heal, and judges. `tell` hears what happens, a
/// line each.
///
/// # Errors
/// [`ChaosError`]: the run could not be made. A promise that was broken is no error.
pub async fn run(options: &Options, tell: &(dyn Fn(&str) + Sync)) -> Result<Finished, ChaosError> {
    tell(&format!(
        "seed {}: bringing up Postgres, three NATS nodes, four workers and two handlers",
        options.seed
    ));
    let ground = Ground::start(options).await?;
    let mut run = Run::start(ground, options, tell).await?;
    run.warm_up().await?;
    run.break_things().await?;
    run.finish().await
}

struct Run<'a> {
    options: &'a Options,
    tell: &'a (dyn Fn(&str) + Sync),
    ground: Ground,
    started_at: OffsetDateTime,
    watch: Watch,
    watching: Watching,
    load: Option<Load>,
    ledger: Arc<Ledger>,
    faults: Vec<FaultRecord>,
    repairs: Vec<(usize, Repair)>,
    /// Faults that could not be made in their time, and are made when all is repaired; `None` by then.
    later: Option<Vec<Planned>>,
    /// By fault: what has to be noticed.
    notices: Vec<(usize, Notice)>,
    /// What was found before the end.
    found: Vec<ViolationRecord>,
    /// The events of each repair, in the order in which the repairs ended.
    replayed: Vec<BTreeSet<Uuid>>,
    last_heal: Instant,
}

impl<'a> Run<'a> {
    async fn start(
        ground: Ground,
        options: &'a Options,
        tell: &'a (dyn Fn(&str) + Sync),
    ) -> Result<Self, ChaosError> {
        let mut places = Vec::new();
        for (index, known_as) in CONTEXTS.into_iter().enumerate() {
            let producer = CONTEXTS[(index + 1) % CONTEXTS.len()];
            places.push(Place {
                known_as,
                context: ground.world.context(known_as)?.clone(),
                consumes: ground.world.context(producer)?.name.event_stream(),
                durable: ground.world.durable(known_as)?.to_owned(),
            });
        }
        let contexts = places.iter().map(|place| (place.known_as, place.context.clone())).collect();
        let load = Load::start(contexts, options.seed, options.rate);
        let ledger = Arc::clone(&load.ledger);
        let watch = Watch { places, broker: ground.world.broker().clone(), began: Instant::now() };
        let watching = watch.clone().start(Arc::clone(&ledger));
        Ok(Self {
            options,
            tell,
            ground,
            started_at: OffsetDateTime::now_utc(),
            watch,
            watching,
            load: Some(load),
            ledger,
            faults: Vec::new(),
            repairs: Vec::new(),
            later: Some(Vec::new()),
            notices: Vec::new(),
            found: Vec::new(),
            replayed: Vec::new(),
            last_heal: Instant::now(),
        })
    }

    fn say(&self, what: &str) {
        let at = Duration::from_millis(self.watch.now_ms()).as_secs();
        (self.tell)(&format!("{:02}:{:02}  {what}", at / 60, at % 60));
    }

    async fn warm_up(&mut self) -> Result<(), ChaosError> {
        self.say(&format!("everything works; {} events/s are committed", self.options.rate));
        self.ground.pass(Instant::now() + WARM_UP).await
    }

    async fn break_things(&mut self) -> Result<(), ChaosError> {
        let begins = Instant::now();
        let options = self.options;
        for fault in schedule(options.seed, options.length, options.every, &options.kinds) {
            self.ground.pass(begins + fault.at).await?;
            self.befall(&fault).await;
        }
        for fault in self.later.take().unwrap_or_default() {
            self.outwait().await?;
            self.befall(&fault).await;
        }
        Ok(())
    }

    /// A fault that cannot be made or healed is a finding, and the run goes on.
    async fn befall(&mut self, fault: &Planned) {
        let injected_at_ms = self.watch.now_ms();
        let mut record = FaultRecord {
            kind: fault.kind.name().to_owned(),
            target: String::new(),
            injected_at_ms,
            healed_at_ms: injected_at_ms,
            recovered_after_ms: None,
            note: String::new(),
            outcome: FaultOutcome::Survived,
        };
        match self.make_and_heal(fault, &mut record).await {
            Ok(Done::Now) => {}
            Ok(Done::Later) => return,
            Err(error) => {
                self.say(&format!("{}: {error}", record.kind));
                record.outcome = FaultOutcome::Failed(error.to_string());
            }
        }
        self.faults.push(record);
        self.gather_notices(false).await;
        self.gather_repairs(false).await;
    }

    async fn make_and_heal(&mut self, fault: &Planned, record: &mut FaultRecord) -> Result<Done, ChaosError> {
        match self.ground.inject(fault).await? {
            Injection::Made(injected) => {
                record.target = injected.target;
                self.notices.extend(injected.notice.map(|notice| (self.faults.len(), notice)));
                self.say(&format!("{} of {}, for {:.1?}", record.kind, record.target, fault.lasts));
                let passed = self.ground.pass(Instant::now() + fault.lasts).await;
                if let Some(repair) = self.ground.heal(injected.wound).await? {
                    self.repairs.push((self.faults.len(), repair));
                }
                record.healed_at_ms = self.watch.now_ms();
                self.last_heal = Instant::now();
                passed?;
            }
            Injection::NotAllowed(why) => {
                self.say(&format!("{}: left out: {why}", record.kind));
                record.outcome = FaultOutcome::NotAllowed(why);
            }
            Injection::Missed(why) => self.missed(record, &why),
            Injection::Later(why) => match &mut self.later {
                Some(later) => {
                    later.push(*fault);
                    self.say(&format!("{}: put off: {why}", record.kind));
                    return Ok(Done::Later);
                }
                None => self.missed(record, &why),
            },
        }
        Ok(Done::Now)
    }

    fn missed(&self, record: &mut FaultRecord, why: &str) {
        self.say(&format!("{}: not made: {why}", record.kind));
        record.outcome = FaultOutcome::Failed(format!("it was not made: {why}"));
    }

    /// Until all that goes on beside the faults has come to its end; not for ever. What the last fault did
    /// may still make something end by itself, on which the others wait.
    async fn outwait(&mut self) -> Result<(), ChaosError> {
        let deadline = Instant::now() + REPAIR_LIMIT;
        let goes_on = |run: &Self| {
            run.repairs.iter().any(|(_, repair)| !repair.is_finished())
                || run.notices.iter().any(|(_, notice)| !notice.is_decided())
        };
        while goes_on(self) && Instant::now() < deadline {
            self.ground.pass(Instant::now() + LOOK_EVERY).await?;
        }
        Ok(())
    }

    /// Takes note of what was noticed by now or is not to be waited for any longer; in the `end`, of all.
    async fn gather_notices(&mut self, end: bool) {
        for (index, notice) in std::mem::take(&mut self.notices) {
            if !end && !notice.is_decided() {
                self.notices.push((index, notice));
                continue;
            }
            let record = &mut self.faults[index];
            let fault = format!("{} at {}", record.kind, clock(record.injected_at_ms));
            match notice.decide(&fault).await {
                Ok(after) => record.add_note(&format!("noticed after {}", span(millis(after)))),
                Err(what) => {
                    record.add_note("not noticed in time");
                    self.say(&what);
                    self.found.push(judge::unnoticed(what));
                }
            }
        }
    }

    /// Takes note of the repairs that have ended; in the `end` those that have not are given up.
    async fn gather_repairs(&mut self, end: bool) {
        for (index, mut repair) in std::mem::take(&mut self.repairs) {
            if !end && !repair.is_finished() {
                self.repairs.push((index, repair));
                continue;
            }
            let outcome = match timeout(Duration::ZERO, &mut repair).await {
                Ok(Ok((Ok(replayed), ended))) => {
                    let events = replayed.events();
                    let record = &mut self.faults[index];
                    record.add_note(&format!("{} events put back by sea-mq replay", events.len()));
                    record.healed_at_ms = self.watch.ms_of(ended);
                    self.last_heal = self.last_heal.max(ended);
                    self.replayed.push(events);
                    continue;
                }
                Ok(Ok((Err(error), _))) => error.to_string(),
                Ok(Err(error)) => error.to_string(),
                Err(_) => {
                    repair.abort();
                    "sea-mq replay did not come to an end".to_owned()
                }
            };
            self.faults[index].outcome = FaultOutcome::Failed(outcome);
        }
    }

    async fn finish(mut self) -> Result<Finished, ChaosError> {
        if !self.repairs.is_empty() {
            self.say("waiting for sea-mq replay, which waits for the duplicate window");
        }
        self.outwait().await?;
        self.gather_notices(true).await;
        self.gather_repairs(true).await;
        self.say("the last fault is healed; the load ends");
        if let Some(load) = self.load.take() {
            load.stop().await;
        }
        let zero_after = self.drain(self.last_heal).await?;
        match zero_after {
            Some(after) => self.say(&format!("the healthy backlog is zero, {after:.1?} after the last heal")),
            None => self.say("the healthy backlog did not become zero"),
        }
        self.judged(zero_after).await
    }

    /// How long after the heal, `since`, the healthy backlog was zero; then waits until the other events are
    /// finished as well.
    async fn drain(&mut self, since: Instant) -> Result<Option<Duration>, ChaosError> {
        let deadline = Instant::now() + DRAIN_LIMIT;
        let mut zero_after = None;
        while Instant::now() < deadline {
            self.ground.pass(Instant::now()).await?;
            let backlog = timeout(Duration::from_secs(2), self.watch.healthy_backlog()).await;
            if matches!(backlog, Ok(Ok(Some(0)))) {
                zero_after = Some(since.elapsed());
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        // What does not come to rest is judged as it stands: it counts as lost.
        if let Err(error) = self.ground.world.settle().await {
            self.say(&format!("not everything came to rest: {error}"));
        }
        Ok(zero_after)
    }

    async fn judged(mut self, zero_after: Option<Duration>) -> Result<Finished, ChaosError> {
        self.say("reading the history of every event, and judging it");
        let unwell = self.ground.unwell().await;
        let mut judged = judge::judge(&self.ground, &self.ledger, std::mem::take(&mut self.replayed)).await?;
        judged.violations.extend(unwell.into_iter().map(judge::unwell));
        judged.violations.append(&mut self.found);
        let samples = self.watching.samples();
        // What two seconds of load make is what is under way at any moment.
        let normal = u64::from(self.options.rate) * 2;
        note_recoveries(&mut self.faults, &samples, normal);
        let slow = slow_recoveries(&self.faults, &samples, normal);
        judged.violations.extend(slow.into_iter().map(judge::slow_recovery));
        let zero_after = zero_after.map(millis);
        let outcome = Outcome::judge(judged.violations, judged.totals, &self.faults, zero_after);
        let (only_faults, arguments) = (self.only_faults(), self.arguments());
        let mut report = Report {
            seed: self.options.seed,
            started_at: self.started_at,
            minutes: self.options.length.as_secs().div_ceil(60),
            only_faults,
            versions: versions(&self.ground),
            load_summary: self.load_summary(),
            faults: std::mem::take(&mut self.faults),
            samples,
            outcome,
            history_file: None,
            arguments,
        };
        let folder = self.ground.folder();
        if !report.outcome.bar_met {
            let file = folder.join("history.json");
            judged.history.save(&file)?;
            report.history_file = Some(file.display().to_string());
        }
        let page = write(&report, &folder)?;
        Ok(Finished { report, page })
    }

    fn only_faults(&self) -> Vec<String> {
        if self.options.kinds.len() == crate::FaultKind::ALL.len() {
            return Vec::new();
        }
        self.options.kinds.iter().map(|kind| kind.name().to_owned()).collect()
    }

    /// What else decides what the seed leads to.
    fn arguments(&self) -> Vec<String> {
        let (every, rate) = (self.options.every.as_secs(), self.options.rate);
        vec![format!("--every {every}"), format!("--rate {rate}")]
    }

    fn load_summary(&self) -> String {
        format!(
            "Two contexts that consume each other's events, each with two workers and a FastAPI handler; about {} \
             events a second with bursts of {}, 30 % of the ordered ones on three hot aggregates, one in ten causes \
             an event back, 4 % slow, 3 % failing one to three times, 1 % poison, 2 % scheduled; one of the handlers \
             takes batches. {} transactions ended without an answer.",
            self.options.rate,
            crate::load::BURST,
            self.ledger.uncertain(),
        )
    }
}

/// Whether a fault was made, as far as it could be.
enum Done {
    Now,
    Later,
}

fn millis(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}

fn versions(ground: &Ground) -> Versions {
    let binaries = sea_mq_stack::Binaries::find().ok();
    Versions {
        postgres: binaries.and_then(|found| found.postgres_version().ok()).unwrap_or_default(),
        nats: ground.world.broker().server_version(),
    }
}

fn write(report: &Report, folder: &std::path::Path) -> Result<PathBuf, ChaosError> {
    let page = folder.join("report.html");
    let json = report.to_json().map_err(std::io::Error::from);
    for (path, text) in [(folder.join("report.json"), json), (page.clone(), Ok(report.to_html()))] {
        let written = text.and_then(|text| std::fs::write(&path, text));
        written.map_err(|source| ChaosError::File { doing: "write", path, source })?;
    }
    Ok(page)
}
