//! Dispatch: recorded messages of the owned lanes → handler → settled, in order per aggregate.
//!
//! One task owns the flow; the book says what may happen, the database makes it true. An attempt is
//! committed before its call, an answer counts once its settlement is.

mod book;
mod calls;
mod health;
mod letters;
mod pace;
mod settle;

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use sea_mq_config::{OnDeadLetter, Subscription};
use sea_mq_dispatch::{Backoff, Handler, Outcome, Policy, ProbePace, Settlement, lost_attempt, settlement};
use sea_mq_event::LANES;
use sea_mq_failpoint::failpoint;
use sea_mq_inbox::{AggregateKey, Attempt, Inbox, InboxError, OpenRow, QueuedRow, Settled, Standing};
use sea_mq_lease::Holdings;
use sea_mq_observe::{Health, Progress, Status, metric};
use sea_mq_stream::Broker;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::leases::{Leases, in_one_line, is_valid, to_hand_over};
use crate::slot::{Slot, finished};
use book::{Book, LOAD, Order};
use calls::{Calls, Ended, OpenCall};
use letters::{Closed, Letters};
use settle::{SettledGroup, ToSettle, settle};

/// Ready rows read at a time from each lane.
const READ_PER_LANE: usize = 64;
/// Polling for what another instance records: at once while there is work, this when idle.
const IDLE_POLL: Duration = Duration::from_millis(20);
const DUE_EVERY: Duration = Duration::from_millis(50);
const DUE_GROUP: i64 = 512;
const FLOORS_EVERY: Duration = Duration::from_secs(1);
const BLOCKERS_EVERY: Duration = Duration::from_secs(1);
/// One lane is swept in this time.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Blocked aggregates looked at in one go.
const BLOCKERS_GROUP: usize = 2000;
/// After this a row that a handler's transaction holds is tried again.
const HELD_AGAIN: Duration = Duration::from_millis(250);
/// How long rows of a failing type wait that are not needed as probes.
const DEFER: Duration = Duration::from_secs(10);
/// For each call that may run, so many more attempts are started beforehand. They count as attempts
/// when the process dies, so it is no more than the database's round trips need.
const AHEAD: usize = 4;
/// The longest that nothing is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Statements that start or settle take no more rows than this.
const GROUP: usize = 256;

/// What ingest and dispatch of one subscription share.
pub(crate) struct Shared {
    book: Mutex<Book>,
    /// This instance records: what it records, it tells.
    pub(crate) records_here: AtomicBool,
    /// Something was added to the book.
    pub(crate) wake: Notify,
}

impl Shared {
    pub(crate) fn new(subscription: &Subscription) -> Arc<Self> {
        let probe_pace = ProbePace { cap: subscription.retry.cap.min(Duration::from_secs(60)) };
        Arc::new(Self {
            book: Mutex::new(Book::new(
                subscription.max_inflight,
                subscription.max_inflight * AHEAD,
                probe_pace,
            )),
            records_here: AtomicBool::new(false),
            wake: Notify::new(),
        })
    }

    /// The book; its critical sections are short and hold no await.
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What dispatch of one subscription works with.
pub(crate) struct Dispatcher {
    pub(crate) inbox: Inbox,
    pub(crate) broker: Broker,
    pub(crate) handler: Handler,
    pub(crate) subscription: Subscription,
    pub(crate) dlq_stream: String,
    pub(crate) dlq_prefix: String,
    pub(crate) leases: Leases,
    pub(crate) health: Health,
    pub(crate) progress: Progress,
    pub(crate) shared: Arc<Shared>,
    /// Attempts that ingest recorded as started.
    pub(crate) started: mpsc::UnboundedReceiver<Vec<Attempt>>,
}

/// What is found on lanes that were taken, and in which life they were.
struct Taken {
    lanes: Vec<i16>,
    instance: Uuid,
    found: Result<(Vec<(i16, i64)>, Vec<OpenRow>), InboxError>,
}

/// Statements under way, at most one of each kind.
#[derive(Default)]
struct Slots {
    taking: Slot<Taken>,
    reading: Slot<(Vec<(i16, i64)>, Result<Vec<QueuedRow>, InboxError>)>,
    marking: Slot<Option<(time::OffsetDateTime, i64)>>,
    due: Slot<Result<Vec<QueuedRow>, InboxError>>,
    ordering: Slot<(Vec<Order>, Result<Option<Vec<QueuedRow>>, InboxError>)>,
    starting: Slot<(Vec<Uuid>, Result<Vec<Attempt>, InboxError>)>,
    settling: Slot<SettledGroup>,
    standing: Slot<Vec<(Unclear, Standing)>>,
    blockers: Slot<Result<Vec<Uuid>, InboxError>>,
    sweeping: Slot<Result<Vec<QueuedRow>, InboxError>>,
    probing: Slot<()>,
}

/// A message of which it is not known how it stands.
#[derive(Clone, Copy)]
struct Unclear {
    id: Uuid,
    at: Instant,
    /// Its attempt, if one is open, was started here and never called.
    uncalled: bool,
}

struct Running {
    d: Dispatcher,
    policy: Policy,
    calls: Calls,
    /// Started attempts that wait for a free call.
    waiting: VecDeque<Attempt>,
    /// Message and fence of the calls in flight.
    in_flight: HashSet<(Uuid, i64)>,
    slots: Slots,
    arriving: Vec<i16>,
    /// Lanes of which it is being read what is open.
    taking: Vec<i16>,
    stopping: bool,
    instance: Uuid,
    to_settle: Vec<ToSettle>,
    /// Settlements that a handler's transaction holds up, and from when on they are tried again.
    held: Vec<(Instant, ToSettle)>,
    /// Messages of which it is not known how they stand.
    unclear: Vec<Unclear>,
    recorded_mark: Option<(time::OffsetDateTime, i64)>,
    recall: Vec<String>,
    poll: Duration,
    mark_at: Instant,
    due_at: Instant,
    floors_at: Instant,
    blockers_at: Instant,
    blockers_from: usize,
    sweep_at: Instant,
    swept: i16,
    saved: Vec<(i16, i64)>,
    letters_wake: Arc<Notify>,
}

impl Dispatcher {
    /// Dispatches until `stop`; then finishes what is in hand.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let letters_wake = Arc::new(Notify::new());
        let (closed, mut closings) = mpsc::unbounded_channel();
        let letters = Letters {
            inbox: self.inbox.clone(),
            broker: self.broker.clone(),
            shared: Arc::clone(&self.shared),
            stream: self.dlq_stream.clone(),
            prefix: self.dlq_prefix.clone(),
            hold: self.subscription.on_dead_letter == OnDeadLetter::Hold,
            wake: Arc::clone(&letters_wake),
            closed,
        };
        let started = std::mem::replace(&mut self.started, mpsc::unbounded_channel().1);
        let letters = letters.run(stop.clone());
        let mut running = Running::new(self, letters_wake);
        let (_, ()) = tokio::join!(letters, running.run(stop, started, &mut closings));
    }
}

impl Running {
    fn new(d: Dispatcher, letters_wake: Arc<Notify>) -> Self {
        let now = Instant::now();
        let policy = Policy {
            max_deliver: i32::try_from(d.subscription.max_deliver).unwrap_or(i32::MAX),
            backoff: Backoff { base: d.subscription.retry.base, cap: d.subscription.retry.cap },
        };
        let calls = Calls::new(d.handler.clone(), d.inbox.consumer());
        Self {
            d,
            policy,
            calls,
            waiting: VecDeque::new(),
            in_flight: HashSet::new(),
            slots: Slots::default(),
            arriving: Vec::new(),
            taking: Vec::new(),
            stopping: false,
            instance: Uuid::nil(),
            to_settle: Vec::new(),
            held: Vec::new(),
            unclear: Vec::new(),
            recorded_mark: None,
            recall: Vec::new(),
            poll: Duration::ZERO,
            mark_at: now,
            due_at: now,
            floors_at: now + FLOORS_EVERY,
            blockers_at: now + BLOCKERS_EVERY,
            blockers_from: 0,
            sweep_at: now + SWEEP_EVERY,
            swept: 0,
            saved: Vec::new(),
            letters_wake,
        }
    }

    async fn run(
        &mut self,
        stop: CancellationToken,
        mut started: mpsc::UnboundedReceiver<Vec<Attempt>>,
        closings: &mut mpsc::UnboundedReceiver<Closed>,
    ) {
        let pulse =
            self.d.health.pulse(&format!("dispatch {}", self.d.inbox.consumer()), Duration::from_secs(60));
        let mut leases = self.d.leases.clone();
        let shared = Arc::clone(&self.d.shared);
        self.d.health.set(&self.handler_check(), Status::Up);
        self.follow_leases().await;
        let mut ingest_open = true;
        while !(stop.is_cancelled() && self.is_finished(ingest_open)) {
            pulse.beat();
            let stopping = stop.is_cancelled();
            self.start_work(stopping).await;
            let wake = self.wake_at(stopping);
            tokio::select! {
                biased;
                Some(ended) = self.calls.next() => self.ended(ended),
                attempts = started.recv(), if ingest_open => match attempts {
                    Some(attempts) => self.waiting.extend(attempts),
                    None => ingest_open = false,
                },
                group = finished(&mut self.slots.settling) => self.settled(group),
                (asked, result) = finished(&mut self.slots.starting) => self.started(&asked, result),
                (orders, result) = finished(&mut self.slots.ordering) => self.ordered(&orders, result),
                (asked, rows) = finished(&mut self.slots.reading) => self.read(&asked, rows),
                mark = finished(&mut self.slots.marking) => self.marked(mark),
                rows = finished(&mut self.slots.due) => self.due(rows),
                taken = finished(&mut self.slots.taking) => self.taken(taken).await,
                standing = finished(&mut self.slots.standing) => self.stood(standing),
                ids = finished(&mut self.slots.blockers) => self.unblocked(ids),
                rows = finished(&mut self.slots.sweeping) => self.swept(rows),
                () = finished(&mut self.slots.probing) => self.handler_is_back(),
                Some(closed) = closings.recv() => {
                    self.d.shared.book().closed(&closed.key, closed.lane, closed.id, closed.held);
                    self.d.progress.settled();
                }
                () = leases.changed() => self.follow_leases().await,
                () = shared.wake.notified() => {}
                () = tokio::time::sleep_until(wake.into()) => {}
                () = stop.cancelled(), if !stopping => self.stop_starting(),
            }
            self.drain_ready();
        }
        self.save_floors().await;
        pulse.retire();
    }

    /// Takes every answer that has arrived already, so that settlements go out in groups.
    fn drain_ready(&mut self) {
        while let Some(ended) = self.calls.try_next() {
            self.ended(ended);
        }
    }

    /// Nothing is called, and nothing that was answered is unwritten (but what a handler's own
    /// transaction holds: that is settled by whoever comes next).
    fn is_finished(&self, ingest_open: bool) -> bool {
        !ingest_open
            && self.calls.len() == 0
            && self.waiting.is_empty()
            && self.to_settle.is_empty()
            && self.slots.settling.is_none()
            && self.slots.starting.is_none()
    }

    fn stop_starting(&mut self) {
        self.stopping = true;
        let mut book = self.d.shared.book();
        for lane in book.lanes() {
            book.leave(lane);
        }
    }

    fn handler_check(&self) -> String {
        format!("handler {}", self.d.inbox.consumer())
    }

    // ---- lanes

    async fn follow_leases(&mut self) {
        let holdings = self.d.leases.now();
        if holdings.instance != self.instance {
            // A new life: what was started in the last one and not called is not called any more.
            self.give_waiting_back();
        }
        let role = self.d.inbox.dispatch_role().to_owned();
        let held: Vec<i16> = holdings.of(&role).map(|lease| lease.lane).collect();
        {
            let mut book = self.d.shared.book();
            let new_life = holdings.instance != self.instance;
            for lane in book.lanes().into_iter().filter(|lane| new_life || !held.contains(lane)) {
                book.forget(lane);
            }
            if new_life {
                self.instance = holdings.instance;
                self.arriving.clear();
            }
            self.arriving.retain(|lane| held.contains(lane));
            let here =
                |lane: &i16| book.owns(*lane) || self.arriving.contains(lane) || self.taking.contains(lane);
            let new: Vec<i16> = held.iter().copied().filter(|lane| !here(lane)).collect();
            self.arriving.extend(new);
        }
        self.hand_over(&holdings, &role).await;
    }

    async fn hand_over(&mut self, holdings: &Arc<Holdings>, role: &str) {
        let leaving = to_hand_over(holdings, role, LANES);
        // Whoever was to have a lane may have gone again: then it stays here, and begins anew.
        let staying: Vec<i16> = self.d.shared.book().leaving();
        for lane in staying.into_iter().filter(|lane| !self.stopping && !leaving.contains(lane)) {
            self.d.shared.book().forget(lane);
            self.arriving.push(lane);
        }
        let done: Vec<i16> = {
            let mut book = self.d.shared.book();
            leaving.into_iter().filter(|lane| book.owns(*lane) && book.leave(*lane)).collect()
        };
        if done.is_empty() {
            return;
        }
        self.save_floors().await;
        for lane in &done {
            self.d.shared.book().forget(*lane);
        }
        self.d.leases.release(role, done).await;
    }

    async fn taken(&mut self, taken: Taken) {
        self.taking.clear();
        let holdings = self.d.leases.now();
        // What was read in an earlier life is stale: others may have been there since.
        if taken.instance == self.instance && holdings.instance == taken.instance {
            self.adopt(taken, &holdings);
        }
        self.follow_leases().await;
    }

    fn adopt(&mut self, Taken { lanes, instance: _, found }: Taken, holdings: &Holdings) {
        match found {
            Ok((floors, open)) => {
                let mut left_open = Vec::new();
                let mut book = self.d.shared.book();
                let role = self.d.inbox.dispatch_role();
                let held = |lane: i16| holdings.of(role).any(|lease| lease.lane == lane);
                for (lane, floor) in floors.into_iter().filter(|(lane, _)| held(*lane)) {
                    let open = open.iter().filter(|found| found.row.lane == lane).cloned().collect();
                    left_open.extend(book.adopt(lane, floor, open));
                }
                drop(book);
                self.letters_wake.notify_one();
                for found in left_open
                    .into_iter()
                    .filter(|found| !self.in_flight.contains(&(found.row.message_id, found.fence)))
                {
                    let settlement = lost_attempt(found.row.attempts, &self.policy, rand::random());
                    tracing::warn!(message_id = %found.row.message_id, consumer = self.d.inbox.consumer(),
                        attempt = found.row.attempts, "an attempt was left open by an instance that ended");
                    self.to_settle.push(ToSettle {
                        id: found.row.message_id,
                        fence: found.fence,
                        settlement,
                        call: None,
                    });
                }
            }
            Err(error) => {
                self.database_waits(&error);
                self.arriving.extend(lanes);
            }
        }
    }

    fn database_waits(&self, error: &InboxError) {
        tracing::warn!(
            consumer = self.d.inbox.consumer(),
            error = in_one_line(error),
            "waiting for the database"
        );
    }

    // ---- what is to be done next

    async fn start_work(&mut self, stopping: bool) {
        let now = Instant::now();
        self.start_calls(now, stopping).await;
        self.start_settling(now);
        self.start_ordering();
        self.start_standing(now);
        if !stopping {
            self.start_taking();
            self.start_reading(now);
            self.start_due(now);
            self.start_blockers(now);
            self.start_sweeping(now);
            if is_valid(&self.d.leases.now()) {
                self.start_starting(now);
            }
        }
        if now >= self.floors_at {
            self.floors_at = now + FLOORS_EVERY;
            self.save_floors().await;
            // Lanes that are being handed over may have become quiet.
            self.follow_leases().await;
        }
        self.d.progress.waiting(self.d.shared.book().is_busy());
    }

    fn start_taking(&mut self) {
        if self.slots.taking.is_some() || self.arriving.is_empty() {
            return;
        }
        let lanes = std::mem::take(&mut self.arriving);
        self.taking.clone_from(&lanes);
        let (inbox, instance) = (self.d.inbox.clone(), self.instance);
        self.slots.taking = Some(Box::pin(async move {
            failpoint!("dispatch.take_over.before");
            let found = async { Ok((inbox.floors(&lanes).await?, inbox.open(&lanes).await?)) }.await;
            pause_on_error(found.is_err()).await;
            Taken { lanes, instance, found }
        }));
    }

    fn start_reading(&mut self, now: Instant) {
        let records_here = self.d.shared.records_here.load(Ordering::Acquire);
        if !records_here && now >= self.mark_at && self.slots.marking.is_none() {
            let (inbox, stream) = (self.d.inbox.clone(), self.d.subscription.stream.clone());
            self.slots.marking = Some(Box::pin(async move {
                let newest = inbox.incarnations(&stream).await.ok()?.into_iter().next()?;
                Some((newest.created_at, newest.recorded_seq))
            }));
        }
        if self.slots.reading.is_none() {
            let asked = self.d.shared.book().unread();
            if !asked.is_empty() {
                let inbox = self.d.inbox.clone();
                self.slots.reading = Some(Box::pin(async move {
                    let per_lane = i64::try_from(READ_PER_LANE).unwrap_or(i64::MAX);
                    let rows = inbox.ready(&asked, per_lane).await;
                    pause_on_error(rows.is_err()).await;
                    (asked, rows)
                }));
            }
        }
    }

    fn marked(&mut self, mark: Option<(time::OffsetDateTime, i64)>) {
        if mark.is_some() && mark != self.recorded_mark {
            self.recorded_mark = mark;
            self.d.shared.book().look_again();
            self.poll = Duration::ZERO;
        } else {
            self.poll = (self.poll * 2).clamp(Duration::from_millis(1), IDLE_POLL);
        }
        self.mark_at = Instant::now() + self.poll;
    }

    fn read(&mut self, asked: &[(i16, i64)], rows: Result<Vec<QueuedRow>, InboxError>) {
        match rows {
            Ok(rows) => self.d.shared.book().read(asked, rows, READ_PER_LANE),
            Err(error) => self.database_waits(&error),
        }
    }

    fn start_due(&mut self, now: Instant) {
        if self.slots.due.is_some() || now < self.due_at {
            return;
        }
        self.due_at = now + DUE_EVERY;
        let lanes = self.d.shared.book().lanes();
        if lanes.is_empty() {
            return;
        }
        let (inbox, recall) = (self.d.inbox.clone(), std::mem::take(&mut self.recall));
        self.slots.due = Some(Box::pin(async move {
            for event_type in recall {
                inbox.recall(&lanes, &event_type).await?;
            }
            inbox.due(&lanes, DUE_GROUP).await
        }));
    }

    fn due(&mut self, rows: Result<Vec<QueuedRow>, InboxError>) {
        match rows {
            Ok(rows) => self.d.shared.book().due(rows),
            Err(error) => self.database_waits(&error),
        }
    }

    fn start_ordering(&mut self) {
        if self.slots.ordering.is_some() || !is_valid(&self.d.leases.now()) {
            return;
        }
        let orders = {
            let mut book = self.d.shared.book();
            book.defer_failing();
            book.take_orders(GROUP)
        };
        if orders.is_empty() {
            return;
        }
        self.slots.ordering = Some(carry_out(self.d.inbox.clone(), orders));
    }

    fn ordered(&mut self, orders: &[Order], result: Result<Option<Vec<QueuedRow>>, InboxError>) {
        match result {
            Ok(loaded) => {
                let (done, rest) = orders.split_at(group_of(orders));
                self.d.shared.book().carried_out(done);
                if let (Some(rows), Some(Order::Load { key, .. })) = (loaded, done.first()) {
                    self.d.shared.book().loaded(key, rows);
                }
                if !rest.is_empty() {
                    self.slots.ordering = Some(carry_out(self.d.inbox.clone(), rest.to_vec()));
                }
            }
            Err(error) => {
                self.database_waits(&error);
                self.slots.ordering = Some(carry_out(self.d.inbox.clone(), orders.to_vec()));
            }
        }
    }

    // ---- attempts

    fn start_starting(&mut self, now: Instant) {
        if self.slots.starting.is_some() {
            return;
        }
        let asked = self.d.shared.book().start(now, GROUP);
        if asked.is_empty() {
            return;
        }
        let (inbox, instance) = (self.d.inbox.clone(), self.instance);
        self.slots.starting = Some(Box::pin(async move {
            let started = inbox.start(instance, &asked).await;
            pause_on_error(started.is_err()).await;
            (asked, started)
        }));
    }

    fn started(&mut self, asked: &[Uuid], result: Result<Vec<Attempt>, InboxError>) {
        match result {
            Ok(attempts) => {
                let now = Instant::now();
                for id in asked.iter().filter(|id| !attempts.iter().any(|a| a.message_id == **id)) {
                    // Held by a handler's transaction, or moved on by somebody: to be looked at.
                    self.d.shared.book().answered(*id, now);
                    self.d.shared.book().inconclusive(*id);
                    self.unclear.push(Unclear { id: *id, at: now + HELD_AGAIN, uncalled: false });
                }
                self.waiting.extend(attempts);
            }
            Err(error) => {
                // They may have been started: how they stand decides.
                self.database_waits(&error);
                let now = Instant::now();
                for id in asked {
                    self.d.shared.book().answered(*id, now);
                    self.d.shared.book().inconclusive(*id);
                    self.unclear.push(Unclear { id: *id, at: now, uncalled: true });
                }
            }
        }
    }

    /// Calls for what was started, as far as calls are free. What may not be called any more goes
    /// back uncounted.
    async fn start_calls(&mut self, now: Instant, stopping: bool) {
        if stopping || self.d.shared.book().pace.is_down() {
            return self.give_waiting_back();
        }
        if !is_valid(&self.d.leases.now()) {
            return;
        }
        while let Some(attempt) = self.waiting.pop_front() {
            let (id, fence) = (attempt.message_id, attempt.fence);
            let (may_be_called, room) = {
                let book = self.d.shared.book();
                (book.may_be_called(id), book.pace.room(self.calls.len(), now))
            };
            if !may_be_called {
                self.give_back(id, fence, now);
            } else if room > 0 {
                failpoint!("dispatch.call.before");
                self.in_flight.insert((id, fence));
                self.calls.start(attempt);
            } else {
                return self.waiting.push_front(attempt);
            }
        }
    }

    fn give_waiting_back(&mut self) {
        let now = Instant::now();
        while let Some(attempt) = self.waiting.pop_front() {
            self.give_back(attempt.message_id, attempt.fence, now);
        }
    }

    /// Gives back, uncounted, an attempt that was started and not called.
    fn give_back(&mut self, id: Uuid, fence: i64, now: Instant) {
        self.d.shared.book().answered(id, now);
        let settlement = Settlement::GiveBack { error: String::new() };
        self.to_settle.push(ToSettle { id, fence, settlement, call: None });
    }

    fn ended(&mut self, Ended { call, outcome }: Ended) {
        let now = Instant::now();
        self.in_flight.remove(&(call.id, call.fence));
        let consumer = self.d.inbox.consumer();
        metric::handler_calls_total(consumer.to_owned(), outcome_label(&outcome)).increment(1);
        self.log_failure(&call, &outcome);
        let mut book = self.d.shared.book();
        book.answered(call.id, now);
        match &outcome {
            Outcome::Processed => {
                if let Some(event_type) = book.succeeded(call.id) {
                    tracing::info!(consumer, event_type, "the handler takes events of this type again");
                    self.recall.push(event_type);
                    self.due_at = now;
                }
            }
            Outcome::Poison(_) => book.inconclusive(call.id),
            Outcome::Transient { wait, .. } => {
                if let Some(wait) = wait {
                    book.pace.overloaded(*wait, now);
                }
                if let Some(event_type) = book.failed(call.id, now) {
                    tracing::warn!(
                        consumer,
                        event_type,
                        "the handler fails events of this type one after the other: trying one at a time until one succeeds"
                    );
                }
            }
            Outcome::NotReached(why) => {
                book.inconclusive(call.id);
                let went_down = book.pace.set_down(true);
                drop(book);
                self.handler_is_down(went_down, why);
            }
        }
        let settlement = settlement(outcome, call.attempts, &self.policy, rand::random());
        self.to_settle.push(ToSettle { id: call.id, fence: call.fence, settlement, call: Some(call) });
    }

    fn log_failure(&self, open: &OpenCall, outcome: &Outcome) {
        let error = match outcome {
            Outcome::Processed => return,
            Outcome::Poison(error) | Outcome::NotReached(error) | Outcome::Transient { error, .. } => error,
        };
        let consumer = self.d.inbox.consumer();
        metric::handler_failures_total(consumer.to_owned(), open.event_type.clone()).increment(1);
        tracing::warn!(message_id = %open.id, correlation_id = open.correlation_id, consumer,
            attempt = open.attempts, event_type = open.event_type, error, "the handler did not take an event");
    }

    // ---- the handler down and up

    fn handler_is_down(&mut self, went_down: bool, why: &str) {
        if !went_down && self.slots.probing.is_some() {
            return;
        }
        let address = self.d.handler.authority().to_owned();
        tracing::warn!(
            consumer = self.d.inbox.consumer(),
            handler = address,
            why,
            "waiting for the handler: it is not listening; no attempt is counted"
        );
        self.d.health.set(&self.handler_check(), Status::down(format!("{address} is not listening: {why}")));
        let handler = self.d.handler.clone();
        self.slots.probing = Some(Box::pin(async move {
            let mut wait = Duration::from_millis(50);
            while handler.probe().await.is_err() {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_millis(500));
            }
        }));
    }

    fn handler_is_back(&mut self) {
        self.d.shared.book().pace.set_down(false);
        self.d.health.set(&self.handler_check(), Status::Up);
        tracing::info!(consumer = self.d.inbox.consumer(), "the handler is listening again");
        self.due_at = Instant::now();
    }

    // ---- settling

    fn start_settling(&mut self, now: Instant) {
        if self.slots.settling.is_some() {
            return;
        }
        let (again, later): (Vec<_>, Vec<_>) = self.held.drain(..).partition(|(at, _)| *at <= now);
        self.held = later;
        self.to_settle.extend(again.into_iter().map(|(_, item)| item));
        if self.to_settle.is_empty() {
            return;
        }
        let count = self.to_settle.len().min(GROUP);
        let group: Vec<ToSettle> = self.to_settle.drain(..count).collect();
        let inbox = self.d.inbox.clone();
        self.slots.settling = Some(Box::pin(async move {
            failpoint!("dispatch.settle.before");
            let group = settle(&inbox, group).await;
            pause_on_error(group.error.is_some()).await;
            group
        }));
    }

    fn settled(&mut self, group: SettledGroup) {
        if let Some(error) = &group.error {
            self.database_waits(error);
        }
        self.to_settle.extend(group.failed);
        let now = Instant::now();
        for (item, how) in group.done {
            match how {
                Settled::Held => self.held.push((now + HELD_AGAIN, item)),
                Settled::Done | Settled::AlreadyProcessed => self.written(&item, how),
                Settled::Outdated => {
                    if self.d.shared.book().is_running(item.id) {
                        self.unclear.push(Unclear { id: item.id, at: now, uncalled: false });
                    }
                }
            }
        }
    }

    fn written(&mut self, item: &ToSettle, how: Settled) {
        self.d.progress.settled();
        let processed = how == Settled::AlreadyProcessed || item.settlement == Settlement::Processed;
        let mut book = self.d.shared.book();
        match &item.settlement {
            _any if processed => book.finished(item.id),
            Settlement::GiveBack { .. } => book.returned(item.id),
            Settlement::Processed | Settlement::Retry { .. } | Settlement::GiveUp { .. } => {
                book.blocked(item.id);
            }
        }
        drop(book);
        if matches!(item.settlement, Settlement::GiveUp { .. }) && !processed {
            self.letters_wake.notify_one();
        }
        if let Some(call) = &item.call {
            call.observe(self.d.inbox.consumer(), processed);
        }
    }

    // ---- what is unclear

    fn start_standing(&mut self, now: Instant) {
        if self.slots.standing.is_some() || !self.unclear.iter().any(|u| u.at <= now) {
            return;
        }
        let (ask, later): (Vec<_>, Vec<_>) = self.unclear.drain(..).partition(|u| u.at <= now);
        self.unclear = later;
        let inbox = self.d.inbox.clone();
        let ids: Vec<Uuid> = ask.iter().map(|u| u.id).collect();
        self.slots.standing = Some(Box::pin(async move {
            loop {
                match inbox.standing(&ids).await {
                    Ok(found) => return with_missing(&ask, &found),
                    Err(error) => {
                        tracing::warn!(error = in_one_line(&error), "waiting for the database");
                        pause_on_error(true).await;
                    }
                }
            }
        }));
    }

    fn stood(&mut self, standing: Vec<(Unclear, Standing)>) {
        let again = Instant::now() + HELD_AGAIN;
        let mut book = self.d.shared.book();
        for (unclear, standing) in standing {
            let id = unclear.id;
            let Some(row) = book.row(id) else { continue };
            let (key, lane, row_attempts) = (row.key.clone(), row.lane, row.attempts);
            match standing {
                Standing::Startable => book.requeue(id),
                Standing::Blocking => book.blocked(id),
                Standing::Processed | Standing::Dead => book.finished(id),
                Standing::Holding => book.closed(&key, lane, id, true),
                Standing::Running(fence) if unclear.uncalled => {
                    let settlement = Settlement::GiveBack { error: String::new() };
                    self.to_settle.push(ToSettle { id, fence, settlement, call: None });
                }
                Standing::Running(fence) if self.is_in_hand(id, fence) => {
                    self.unclear.push(Unclear { at: again, ..unclear });
                }
                // Nobody calls for it: its statement was committed after all, or its caller is gone.
                Standing::Running(fence) => {
                    let settlement = lost_attempt(row_attempts + 1, &self.policy, rand::random());
                    self.to_settle.push(ToSettle { id, fence, settlement, call: None });
                }
            }
        }
    }

    fn is_in_hand(&self, id: Uuid, fence: i64) -> bool {
        self.in_flight.contains(&(id, fence))
            || self.waiting.iter().any(|a| a.message_id == id && a.fence == fence)
            || self
                .to_settle
                .iter()
                .chain(self.held.iter().map(|(_, item)| item))
                .any(|i| i.id == id && i.fence == fence)
    }

    fn start_blockers(&mut self, now: Instant) {
        if self.slots.blockers.is_some() || now < self.blockers_at {
            return;
        }
        self.blockers_at = now + BLOCKERS_EVERY;
        let blockers = self.d.shared.book().blockers();
        if blockers.is_empty() {
            return;
        }
        let from = self.blockers_from % blockers.len();
        self.blockers_from = from + BLOCKERS_GROUP;
        let ids: Vec<Uuid> =
            blockers.iter().cycle().skip(from).take(BLOCKERS_GROUP.min(blockers.len())).copied().collect();
        let inbox = self.d.inbox.clone();
        self.slots.blockers = Some(Box::pin(async move { inbox.no_longer_blocking(&ids).await }));
    }

    fn unblocked(&mut self, ids: Result<Vec<Uuid>, InboxError>) {
        match ids {
            Ok(ids) => {
                let mut book = self.d.shared.book();
                for id in ids {
                    book.unblocked(id);
                }
            }
            Err(error) => self.database_waits(&error),
        }
    }

    fn start_sweeping(&mut self, now: Instant) {
        if self.slots.sweeping.is_some() || now < self.sweep_at {
            return;
        }
        self.sweep_at = now + SWEEP_EVERY;
        self.swept = (self.swept + 1) % LANES;
        let lane = self.swept;
        if self.d.shared.book().owns(lane) {
            let inbox = self.d.inbox.clone();
            let limit = i64::try_from(READ_PER_LANE).unwrap_or(i64::MAX);
            self.slots.sweeping = Some(Box::pin(async move { inbox.ready(&[(lane, 0)], limit).await }));
        }
    }

    fn swept(&mut self, rows: Result<Vec<QueuedRow>, InboxError>) {
        match rows {
            Ok(rows) => {
                let caught = self.d.shared.book().swept(rows);
                if caught > 0 {
                    tracing::debug!(consumer = self.d.inbox.consumer(), caught, "taken in by the sweep");
                }
            }
            Err(error) => self.database_waits(&error),
        }
    }

    async fn save_floors(&mut self) {
        let floors = self.d.shared.book().floors();
        if floors.is_empty() || floors == self.saved || !is_valid(&self.d.leases.now()) {
            return;
        }
        match self.d.inbox.save_floors(&floors).await {
            Ok(()) => self.saved = floors,
            Err(error) => tracing::debug!(error = in_one_line(&error), "floors were not kept"),
        }
    }

    /// When to look again, if nothing happens before. What is overdue waits for something that ends,
    /// and that wakes by itself.
    fn wake_at(&self, stopping: bool) -> Instant {
        let now = Instant::now();
        let mut times: Vec<Instant> = self.held.iter().map(|(at, _)| *at).collect();
        times.extend(self.unclear.iter().map(|unclear| unclear.at));
        if !stopping {
            times.extend([self.due_at, self.mark_at]);
            times.extend(self.d.shared.book().opens_at());
        }
        let next = times.into_iter().filter(|at| *at > now).min();
        next.map_or(now + LOOK_EVERY, |at| at.min(now + LOOK_EVERY))
    }
}

/// A failed statement is not tried again at once.
async fn pause_on_error(failed: bool) {
    if failed {
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// A message that is not in the inbox any more is closed.
fn with_missing(asked: &[Unclear], found: &[(Uuid, Standing)]) -> Vec<(Unclear, Standing)> {
    let standing = |id| found.iter().find(|(known, _)| *known == id).map_or(Standing::Processed, |(_, s)| *s);
    asked.iter().map(|unclear| (*unclear, standing(unclear.id))).collect()
}

/// How many of the first orders go into one statement: those of the first one's kind.
fn group_of(orders: &[Order]) -> usize {
    let same = |order: &&Order| match (orders.first(), order) {
        (Some(Order::PutBehind(_)), Order::PutBehind(_)) | (Some(Order::Defer(_)), Order::Defer(_)) => true,
        (Some(Order::PutBehind(_) | Order::Defer(_) | Order::Load { .. }) | None, _) => false,
    };
    orders.iter().take_while(same).count().max(1)
}

type Ordered = (Vec<Order>, Result<Option<Vec<QueuedRow>>, InboxError>);

/// Carries the first group of orders out.
fn carry_out(inbox: Inbox, orders: Vec<Order>) -> BoxFuture<'static, Ordered> {
    Box::pin(async move {
        let count = group_of(&orders);
        let ids: Vec<Uuid> = orders[..count]
            .iter()
            .filter_map(|order| match order {
                Order::PutBehind(id) | Order::Defer(id) => Some(*id),
                Order::Load { .. } => None,
            })
            .collect();
        let limit = i64::try_from(LOAD).unwrap_or(i64::MAX);
        let result = match orders.first() {
            Some(Order::PutBehind(_)) => inbox.put_behind(&ids).await.map(|()| None),
            Some(Order::Defer(_)) => inbox.defer(&ids, DEFER).await.map(|()| None),
            Some(Order::Load { lane, key: AggregateKey::Aggregate(kind, id) }) => {
                inbox.behind(*lane, kind.as_deref(), id, limit).await.map(Some)
            }
            Some(Order::Load { key: AggregateKey::Single(_), .. }) => Ok(Some(Vec::new())),
            None => Ok(None),
        };
        pause_on_error(result.is_err()).await;
        (orders, result)
    })
}

fn outcome_label(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Processed => "processed",
        Outcome::Poison(_) => "poison",
        Outcome::Transient { .. } => "transient",
        Outcome::NotReached(_) => "not_reached",
    }
}
