//! Dispatch: recorded messages of the owned lanes → handler → settled, in order per aggregate.
//!
//! One task owns the flow; the book says what may happen, the database makes it true. An attempt is
//! committed before its call, an answer counts once its settlement is.

mod attempts;
mod batching;
mod book;
mod calls;
mod finding;
mod group;
mod handler;
mod health;
mod letters;
mod measures;
mod ordering;
mod ownership;
mod pace;
mod settling;
mod standing;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sea_mq_config::{OnDeadLetter, Subscription};
use sea_mq_dispatch::{Backoff, Capabilities, Policy, ProbePace};
use sea_mq_inbox::{Attempt, DuePlace, Inbox, InboxError};
use sea_mq_observe::{Health, Progress, Status};
use sea_mq_stream::Broker;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::leases::{Leases, in_one_line, is_valid};
use crate::slot::{Slot, finished};
use batching::Batching;
use book::Book;
use calls::Calls;
use finding::{Due, Read, Swept};
pub(crate) use handler::Handler;
use letters::{Closed, Letters};
use measures::Measures;
use ordering::Ordered;
use ownership::Taken;
use settling::{SettledGroup, ToSettle};
use standing::{Stood, Unclear};

/// After this a row that a handler's transaction holds is tried again.
const HELD_AGAIN: Duration = Duration::from_millis(250);
/// For each call that may run, at most so many more attempts are started beforehand. They count as
/// attempts when the process dies, so it is no more than the pace of the handler asks for.
const AHEAD: usize = 16;
/// The longest that nothing is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const FLOORS_EVERY: Duration = Duration::from_secs(1);
/// Statements that start or settle take no more rows than this.
const GROUP: usize = 512;

/// What ingest and dispatch of one subscription share.
pub(crate) struct Shared {
    book: Mutex<Book>,
    /// This instance records: what it records, it tells.
    pub(crate) records_here: AtomicBool,
    /// Something was added to the book.
    pub(crate) wake: Notify,
    /// A call has ended: more could be started.
    pub(crate) freed: Notify,
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
            freed: Notify::new(),
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
    /// What ingest recorded as started.
    pub(crate) reserved: mpsc::UnboundedReceiver<Reserved>,
}

/// What became of rows that ingest reserved calls for.
pub(crate) struct Reserved {
    /// The life in which they were recorded.
    pub(crate) instance: Uuid,
    /// Recorded as started.
    pub(crate) started: Vec<Attempt>,
    /// Rows of a statement that was not answered: they may be recorded as started, or as ready.
    pub(crate) doubtful: Vec<Uuid>,
}

/// Statements under way, at most one of each kind.
#[derive(Default)]
struct Slots {
    taking: Slot<Taken>,
    reading: Slot<Read>,
    marking: Slot<Option<(time::OffsetDateTime, i64)>>,
    due: Slot<Due>,
    ordering: Slot<Ordered>,
    starting: Slot<(Uuid, Vec<Uuid>, Result<Vec<Attempt>, InboxError>)>,
    settling: Slot<SettledGroup>,
    standing: Slot<Stood>,
    blockers: Slot<Result<Vec<Uuid>, InboxError>>,
    sweeping: Slot<Swept>,
    probing: Slot<()>,
    asking: Slot<Option<Capabilities>>,
}

struct Running {
    d: Dispatcher,
    policy: Policy,
    calls: Calls,
    measures: Measures,
    /// Started attempts that wait for a free call.
    waiting: VecDeque<Attempt>,
    /// Those of a batch that the handler did not look at.
    singly: VecDeque<Attempt>,
    batching: Batching,
    /// Message and fence of the calls in flight.
    in_flight: HashSet<(Uuid, i64)>,
    slots: Slots,
    arriving: Vec<i16>,
    /// Lanes of which it is being read what is open.
    taking: Vec<i16>,
    take_one_by_one: bool,
    stopping: bool,
    instance: Uuid,
    to_settle: Vec<ToSettle>,
    /// Since when answers are gathered.
    settle_from: Option<Instant>,
    /// The next of an aggregate waits for one of them.
    settle_at_once: bool,
    /// Settlements that a handler's transaction holds up, and from when on they are tried again.
    held: Vec<(Instant, ToSettle)>,
    /// Messages of which it is not known how they stand.
    unclear: Vec<Unclear>,
    recorded_mark: Option<(time::OffsetDateTime, i64)>,
    /// Event types whose deferred rows come up at once; `None` stands for all of them.
    recall: Vec<Option<String>>,
    poll: Duration,
    mark_at: Instant,
    look_at: Instant,
    due_at: Instant,
    /// The last row of the page of due rows before, if there may be more.
    due_after: Option<DuePlace>,
    floors_at: Instant,
    blockers_at: Instant,
    blockers_from: usize,
    sweep_at: Instant,
    swept: i16,
    /// By lane, what is open in the database and was not known here when it was swept.
    strangers: HashMap<i16, HashSet<Uuid>>,
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
        let reserved = std::mem::replace(&mut self.reserved, mpsc::unbounded_channel().1);
        let letters = letters.run(stop.clone());
        let mut running = Running::new(self, letters_wake);
        let (_, ()) = tokio::join!(letters, running.run(stop, reserved, &mut closings));
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
        let measures = Measures::of(d.inbox.consumer());
        Self {
            d,
            policy,
            calls,
            measures,
            waiting: VecDeque::new(),
            singly: VecDeque::new(),
            batching: Batching::new(now),
            in_flight: HashSet::new(),
            slots: Slots::default(),
            arriving: Vec::new(),
            taking: Vec::new(),
            take_one_by_one: false,
            stopping: false,
            instance: Uuid::nil(),
            to_settle: Vec::new(),
            settle_from: None,
            settle_at_once: false,
            held: Vec::new(),
            unclear: Vec::new(),
            recorded_mark: None,
            recall: Vec::new(),
            poll: Duration::ZERO,
            mark_at: now,
            look_at: now + finding::LOOK_AGAIN_EVERY,
            due_at: now,
            due_after: None,
            floors_at: now + FLOORS_EVERY,
            blockers_at: now + finding::BLOCKERS_EVERY,
            blockers_from: 0,
            sweep_at: now + finding::SWEEP_EVERY,
            swept: 0,
            strangers: HashMap::new(),
            saved: Vec::new(),
            letters_wake,
        }
    }

    async fn run(
        &mut self,
        stop: CancellationToken,
        mut reserved: mpsc::UnboundedReceiver<Reserved>,
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
            let now = Instant::now();
            self.start_work(now, stopping).await;
            let wake = self.wake_at(now, stopping);
            tokio::select! {
                biased;
                Some(brought) = self.calls.next() => self.brought(brought),
                told = reserved.recv(), if ingest_open => match told {
                    Some(told) => self.reserved(told),
                    None => ingest_open = false,
                },
                group = finished(&mut self.slots.settling) => self.settled(group),
                (instance, asked, result) = finished(&mut self.slots.starting) => {
                    self.started(instance, &asked, result);
                }
                ordered = finished(&mut self.slots.ordering) => self.ordered(ordered),
                read = finished(&mut self.slots.reading) => self.read(read),
                mark = finished(&mut self.slots.marking) => self.marked(mark),
                due = finished(&mut self.slots.due) => self.due(due),
                taken = finished(&mut self.slots.taking) => self.taken(taken).await,
                standing = finished(&mut self.slots.standing) => self.stood(standing),
                ids = finished(&mut self.slots.blockers) => self.unblocked(ids),
                swept = finished(&mut self.slots.sweeping) => self.swept(swept),
                () = finished(&mut self.slots.probing) => self.handler_is_back(),
                offered = finished(&mut self.slots.asking) => self.asked(offered),
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
        while let Some(brought) = self.calls.try_next() {
            self.brought(brought);
        }
    }

    /// Nothing is called, and nothing that was answered is unwritten (but what a handler's own
    /// transaction holds: that is settled by whoever comes next).
    fn is_finished(&self, ingest_open: bool) -> bool {
        !ingest_open
            && self.calls.len() == 0
            && self.waiting.is_empty()
            && self.singly.is_empty()
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

    fn database_waits(&self, error: &InboxError) {
        tracing::warn!(
            consumer = self.d.inbox.consumer(),
            error = in_one_line(error),
            "waiting for the database"
        );
    }

    async fn start_work(&mut self, now: Instant, stopping: bool) {
        self.start_calls(now, stopping).await;
        self.start_settling(now);
        self.start_ordering();
        self.start_standing(now);
        if !stopping {
            self.start_asking(now);
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
            self.d.handler.close_idle();
            self.save_floors().await;
            // Lanes that are being handed over may have become quiet.
            self.follow_leases().await;
        }
        let taking_over = !self.arriving.is_empty() || !self.taking.is_empty();
        self.d.progress.waiting(taking_over || self.d.shared.book().is_busy());
    }

    /// When to look again, if nothing happens before. What is overdue waits for something that ends,
    /// and that wakes by itself.
    fn wake_at(&self, now: Instant, stopping: bool) -> Instant {
        let mut times: Vec<Instant> = self.held.iter().map(|(at, _)| *at).collect();
        times.extend(self.unclear.iter().map(|unclear| unclear.at));
        times.extend(self.settle_from.map(|from| from + settling::GATHER_WITHIN));
        if !stopping {
            times.extend([self.due_at, self.mark_at]);
            times.extend(self.batching.gathered_at());
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
