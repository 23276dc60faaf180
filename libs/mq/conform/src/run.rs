//! The whole run: rule after rule, each only where it can be judged.

use std::time::{Duration, Instant};

use futures::future::join4;
use sea_mq_event::Subject;
use sqlx::PgPool;
use uuid::Uuid;

use crate::ConformError;
use crate::database::Database;
use crate::http::Http;
use crate::message::Message;
use crate::probe::{Probe, Start};
use crate::report::{Finding, Report};
use crate::rule::{self, Rule};
use crate::scenario::capabilities::Said;
use crate::scenario::emitted::FirstEmitted;
use crate::scenario::{Outcome, attempts, batches, calls, health, racing, refusals, signatures};
use crate::signing::Secret;
use crate::template::Template;
use crate::verdict::{After, Came, Found, Status, Verdict, of_answer, of_message};

/// A payload that the handler does not take.
#[derive(Clone, Debug)]
pub enum Invalid {
    /// The payload with every field of another type.
    Spoilt,
    /// This one; `{marker}` in its texts stands for what no answer may show.
    Given(Template),
    /// The handler takes everything.
    None,
}

/// What to judge, and with what.
#[derive(Clone, Debug)]
pub struct Settings {
    /// As `HANDLER_URL` of a worker.
    pub handler_url: String,
    /// An event that the handler reacts to, at best by emitting one.
    pub subject: String,
    /// Its payload.
    pub payload: Template,
    /// One that it refuses.
    pub invalid: Invalid,
    /// Whose attempts they are: a name that nobody consumes.
    pub consumer: String,
    /// With which calls are signed.
    pub secret: Option<Secret>,
    /// The handler does not join the inbox, and is not meant to.
    pub at_least_once: bool,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long a connection is left idle: [`IDLE`].
    pub idle: Duration,
    /// How long a call may take to reach its mark: [`PATIENCE`].
    pub patience: Duration,
}

/// Longer than workers keep an idle connection, shorter than a handler may close it.
pub const IDLE: Duration = Duration::from_secs(4);

/// Long enough for a call to come to its mark, where it is held.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// What a rule needs to be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// Events are processed.
    Event,
    /// And marked.
    Mark,
    Batch,
    Secret,
    SecretAndEvent,
    SecretAndCapabilities,
    SecretAndBatch,
}

struct Run {
    probe: Probe,
    findings: Vec<Finding>,
    processed: bool,
    /// The handler is to mark what it processed, and does.
    marks: bool,
    at_least_once: bool,
    said: Said,
}

/// Which events a handler says that it reacts to, as `(event type, version)`; none when it does not say.
///
/// # Errors
/// As [`run`].
pub async fn offered_events(
    handler_url: &str,
    secret: Option<&Secret>,
    timeout: Duration,
) -> Result<Vec<(String, i64)>, ConformError> {
    let http = Http::new(handler_url, timeout)?;
    http.probe().await?;
    Ok(Said::ask_at(&http, secret).await.events())
}

/// Plays the worker against a handler and its context's database, and says of each rule whether it is
/// kept. What the handler does, it does: run it on a database that is made for tests. `pool` needs five
/// connections as the context's worker role.
///
/// Its inbox rows are finished at the end, and dated back so that a worker's clean-up deletes them; the
/// report says so when some are not.
///
/// # Errors
/// [`ConformError`] when nothing could be judged: a setting is unusable, nobody listens at the URL, or
/// the database refuses.
pub async fn run(settings: Settings, pool: PgPool) -> Result<Report, ConformError> {
    let run = Run::prepare(settings, pool).await?;
    let (report, probe) = run.all().await;
    let ids: Vec<Uuid> = probe.made().iter().map(|message| message.id).collect();
    let settled = probe.database.settle(&ids).await;
    Ok(Report { unfinished: unfinished(settled), ..report? })
}

fn unfinished(settled: Result<i64, ConformError>) -> Option<String> {
    match settled {
        Ok(0) => None,
        Ok(left) => Some(format!(
            "{left} made-up events are still open in the inbox: another transaction has them locked; a run that \
             begins more than an hour from now finishes them"
        )),
        Err(error) => Some(format!("made-up events are still open in the inbox: {error}")),
    }
}

/// Whether a worker runs on this context: it publishes what the handler emits.
///
/// # Errors
/// [`ConformError::Database`].
pub async fn has_worker(pool: &PgPool) -> Result<bool, ConformError> {
    Database::has_worker(pool).await
}

impl Run {
    async fn prepare(settings: Settings, pool: PgPool) -> Result<Self, ConformError> {
        let refused = |source| ConformError::Subject { subject: settings.subject.clone(), source };
        Subject::parse(&settings.subject).map_err(refused)?;
        let http = Http::new(&settings.handler_url, settings.timeout)?;
        http.probe().await?;
        let database = Database::open(pool, &settings.consumer).await?;
        let invalid = match settings.invalid {
            Invalid::Spoilt => settings.payload.spoilt(),
            Invalid::Given(payload) => Some(payload),
            Invalid::None => None,
        };
        let said = Said::ask_at(&http, settings.secret.as_ref()).await;
        let probe = Probe::new(Start {
            http,
            database,
            subject: settings.subject,
            consumer: settings.consumer,
            payload: settings.payload,
            invalid,
            secret: settings.secret,
            idle: settings.idle,
            patience: settings.patience,
            marks: !settings.at_least_once,
        });
        let at_least_once = settings.at_least_once;
        Ok(Self { probe, findings: Vec::new(), processed: false, marks: false, at_least_once, said })
    }

    async fn all(mut self) -> (Result<Report, ConformError>, Probe) {
        let ended = self.judge().await;
        (ended.map(|()| Report::of(self.findings)), self.probe)
    }

    async fn judge(&mut self) -> Result<(), ConformError> {
        self.check(&rule::LIVE, Needs::Nothing, health::live).await?;
        self.check(&rule::READY, Needs::Nothing, health::ready).await?;
        self.first().await?;
        Box::pin(self.capabilities()).await?;
        Box::pin(self.calls()).await?;
        Box::pin(self.attempts()).await?;
        Box::pin(self.refusals()).await?;
        Box::pin(self.batches()).await?;
        Box::pin(self.signatures()).await?;
        self.check(&rule::LATE, Needs::Mark, attempts::late).await
    }

    /// The first event: what it shows is the measure for all others.
    async fn first(&mut self) -> Result<(), ConformError> {
        let message = self.probe.message().await?;
        let came = self.probe.call(&message).await;
        let found = self.probe.database.find(&message).await?;
        let emitted = FirstEmitted::look(&self.probe, &message).await?;
        let answered = of_answer(Status::Success, &came);
        self.processed = answered.is_none();
        self.probe.measure.once = emitted.count();
        let marked = of_message(After::Processed, &found, message.fence, self.probe.measure);
        self.marks = self.processed && !self.at_least_once && marked.is_none();
        self.probe.measure.marks = self.marks;
        self.tell_processed(&came, answered).await?;
        self.tell_marked(marked, &found);
        self.tell_emitted(&emitted, &message)
    }

    async fn tell_processed(&mut self, came: &Came, answered: Option<String>) -> Result<(), ConformError> {
        let verdict = match answered {
            None => calls::another(&self.probe).await?,
            Some(_)
                if came.as_ref().is_ok_and(|answer| answer.code == 401) && self.probe.secret.is_none() =>
            {
                Verdict::Failed(
                    "401: it takes signed calls alone; give its secret in HANDLER_SECRET".to_owned(),
                )
            }
            Some(complaint) => Verdict::Failed(complaint),
        };
        self.processed = verdict == Verdict::Passed;
        let message = self.probe.message().await?;
        let started = Instant::now();
        if self.processed {
            drop(self.probe.call(&message).await);
            self.probe.pace = self.probe.pace.max(started.elapsed());
        }
        self.found(&rule::PROCESSED, verdict);
        Ok(())
    }

    fn tell_marked(&mut self, marked: Option<String>, found: &Found) {
        let verdict = match (self.unmet(Needs::Event), marked) {
            (Some(why), _) => Verdict::NotApplicable(why),
            (None, _) if self.at_least_once => Verdict::NotApplicable(AT_LEAST_ONCE.to_owned()),
            (None, Some(came)) if found.acted_after => Verdict::Failed(came),
            (None, Some(came)) => {
                Verdict::Failed(format!("{came}; its effects happen at least once, and may happen twice"))
            }
            (None, None) => Verdict::Passed,
        };
        self.found(&rule::MARKED, verdict);
    }

    fn tell_emitted(&mut self, emitted: &FirstEmitted, message: &Message) -> Result<(), ConformError> {
        let unmet = self.unmet(Needs::Event);
        for (rule, outcome) in [
            (&rule::CORRELATION, emitted.correlation(message)),
            (&rule::CAUSATION, emitted.causation(message)),
            (&rule::TRACE, emitted.trace(message)),
        ] {
            let verdict = outcome?;
            self.found(rule, unmet.clone().map_or(verdict, Verdict::NotApplicable));
        }
        Ok(())
    }

    async fn capabilities(&mut self) -> Result<(), ConformError> {
        let form = self.said.form()?;
        self.found(&rule::CAPABILITIES, form);
        let subject = Subject::parse(&self.probe.subject);
        let verdict = match subject {
            Ok(subject) if self.processed => self.said.listed(subject.event_type(), subject.version())?,
            Ok(_) | Err(_) => Verdict::NotApplicable(NOT_PROCESSED.to_owned()),
        };
        self.found(&rule::LISTED, verdict);
        Ok(())
    }

    /// The others are judged while a connection is left idle.
    async fn calls(&mut self) -> Result<(), ConformError> {
        let rules = [&rule::EXTRA_FIELDS, &rule::REDRIVEN, &rule::LARGE, &rule::IDLE];
        if let Some(why) = self.unmet(Needs::Event) {
            rules.into_iter().for_each(|rule| self.found(rule, Verdict::NotApplicable(why.clone())));
            return Ok(());
        }
        let probe = &self.probe;
        let (extra, redriven) = (calls::extra_fields(probe), calls::redriven(probe));
        let (extra, redriven, large, idle) =
            join4(extra, redriven, calls::large(probe), calls::idle(probe)).await;
        for (rule, outcome) in rules.into_iter().zip([extra, redriven, large, idle]) {
            let verdict = outcome?;
            self.found(rule, verdict);
        }
        Ok(())
    }

    async fn attempts(&mut self) -> Result<(), ConformError> {
        self.check(&rule::REPEATED, Needs::Mark, attempts::repeated).await?;
        self.check(&rule::AT_ONCE, Needs::Mark, attempts::at_once).await?;
        self.check(&rule::OUTDATED, Needs::Mark, attempts::outdated).await?;
        self.check(&rule::OVERTAKEN, Needs::Mark, attempts::overtaken).await?;
        self.check(&rule::SETTLED, Needs::Mark, attempts::settled).await?;
        self.check(&rule::RACING, Needs::Mark, racing::racing).await?;
        self.check(&rule::HUNG_UP, Needs::Mark, attempts::hung_up).await
    }

    async fn refusals(&mut self) -> Result<(), ConformError> {
        self.check(&rule::UNKNOWN_MESSAGE, Needs::Mark, refusals::unknown_message).await?;
        self.check(&rule::UNKNOWN_EVENT, Needs::Nothing, refusals::unknown_event).await?;
        self.check(&rule::INVALID, Needs::Event, refusals::invalid).await?;
        self.check(&rule::DISCREET, Needs::Event, refusals::discreet).await?;
        self.check(&rule::MALFORMED, Needs::Nothing, refusals::malformed).await
    }

    async fn batches(&mut self) -> Result<(), ConformError> {
        let most = self.said.max_events().unwrap_or_default();
        let needs = Needs::Batch;
        self.check(&rule::BATCH, needs, async |probe| batches::processed(probe, most).await).await?;
        self.check(&rule::BATCH_REPEATED, needs, async |probe| batches::repeated(probe, most).await).await?;
        self.check(&rule::BATCH_AT_ONCE, needs, batches::at_once).await?;
        self.check(&rule::BATCH_OVERTAKEN, needs, batches::overtaken).await?;
        self.check(&rule::BATCH_INVALID, needs, batches::invalid).await?;
        self.check(&rule::BATCH_DONE, needs, batches::done).await?;
        self.check(&rule::BATCH_OUTDATED, needs, batches::outdated).await?;
        self.check(&rule::BATCH_UNKNOWN_MESSAGE, needs, batches::unknown_message).await?;
        self.check(&rule::BATCH_UNKNOWN_EVENT, needs, batches::unknown_event).await?;
        self.check(&rule::BATCH_MALFORMED_ITEM, needs, batches::malformed_item).await?;
        self.check(&rule::BATCH_TOO_MANY, needs, async |probe| batches::too_many(probe, most).await).await?;
        self.check(&rule::BATCH_EMPTY, needs, batches::no_batch).await
    }

    async fn signatures(&mut self) -> Result<(), ConformError> {
        self.check(&rule::UNSIGNED, Needs::Secret, signatures::unsigned).await?;
        self.check(&rule::WRONG_KEY, Needs::Secret, signatures::wrong_key).await?;
        self.check(&rule::STALE, Needs::Secret, signatures::stale).await?;
        self.check(&rule::CHANGED_BODY, Needs::Secret, signatures::changed_body).await?;
        self.check(&rule::SEVERAL, Needs::SecretAndEvent, signatures::several).await?;
        self.check(&rule::SIGNED_CAPABILITIES, Needs::SecretAndCapabilities, signatures::capabilities)
            .await?;
        self.check(&rule::SIGNED_BATCH, Needs::SecretAndBatch, signatures::batch).await?;
        self.check(&rule::OPEN_HEALTH, Needs::Secret, signatures::health).await
    }

    /// Judges a rule, if what it needs is there.
    async fn check(
        &mut self,
        rule: &'static Rule,
        needs: Needs,
        scenario: impl AsyncFnOnce(&Probe) -> Outcome,
    ) -> Result<(), ConformError> {
        let verdict = match self.unmet(needs) {
            Some(why) => Verdict::NotApplicable(why),
            None => Box::pin(scenario(&self.probe)).await?,
        };
        self.found(rule, verdict);
        Ok(())
    }

    fn found(&mut self, rule: &'static Rule, verdict: Verdict) {
        self.findings.push(Finding { rule, verdict });
    }

    /// What is missing of what a rule needs.
    fn unmet(&self, needs: Needs) -> Option<String> {
        let unless = |there: bool, why: &str| (!there).then(|| why.to_owned());
        let event = || unless(self.processed, NOT_PROCESSED);
        let not_marked = if self.at_least_once { AT_LEAST_ONCE } else { NOT_MARKED };
        let mark = || event().or_else(|| unless(self.marks, not_marked));
        let batch = || unless(self.said.max_events().is_some(), "it offers no batches");
        let secret = || unless(self.probe.secret.is_some(), "no secret was given");
        match needs {
            Needs::Nothing => None,
            Needs::Event => event(),
            Needs::Mark => mark(),
            Needs::Batch => batch().or_else(mark),
            Needs::Secret => secret(),
            Needs::SecretAndEvent => secret().or_else(event),
            Needs::SecretAndCapabilities => {
                secret().or_else(|| unless(self.said.is_offered(), "it offers nothing beyond single calls"))
            }
            Needs::SecretAndBatch => secret().or_else(batch),
        }
    }
}

const NOT_PROCESSED: &str = "events are not processed: see call.processed";
const NOT_MARKED: &str = "the handler does not mark what it processed: see call.marked";
const AT_LEAST_ONCE: &str = "the handler does not join the inbox: its effects happen at least once";
