//! Keeps this instance's leases: renews, takes, hands back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_mq_lease::{Holdings, Registry, Role, surplus};
use sea_mq_observe::{Health, Status, metric};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// An instance that is silent for this long loses its lanes. With the renewal interval it bounds a
/// take-over: a killed instance's lanes are free after at most this, and taken one interval later.
pub(crate) const TIME_TO_LIVE: Duration = Duration::from_secs(3);
const RENEWAL: Duration = Duration::from_millis(800);

/// What to hand back: its work has stopped.
struct Release {
    role: Arc<str>,
    what: Released,
    done: oneshot::Sender<()>,
}

enum Released {
    /// These lanes; others may come to it later.
    Lanes(Vec<i16>),
    /// The whole role, for good.
    Role,
}

/// What a loop sees of the leases.
#[derive(Clone)]
pub(crate) struct Leases {
    holdings: watch::Receiver<Arc<Holdings>>,
    release: mpsc::Sender<Release>,
}

impl Leases {
    /// What is held now, whether or not it is still valid.
    pub(crate) fn now(&self) -> Arc<Holdings> {
        self.holdings.borrow().clone()
    }

    /// Waits for a change of what is held.
    pub(crate) async fn changed(&mut self) {
        if self.holdings.changed().await.is_err() {
            // The keeper has ended: so does everything, shortly.
            std::future::pending::<()>().await;
        }
    }

    /// Hands lanes back; nothing of them may be in hand any more. When it returns, what is held now
    /// says whether they were.
    pub(crate) async fn release(&self, role: &str, lanes: Vec<i16>) {
        self.hand_back(role, Released::Lanes(lanes)).await;
    }

    /// Runs the loop that works for `role`. Once it has ended, its lanes are others' at once,
    /// whatever this worker's other loops still have in hand.
    pub(crate) async fn work(self, role: String, work: impl Future<Output = ()>) {
        work.await;
        self.hand_back(&role, Released::Role).await;
    }

    async fn hand_back(&self, role: &str, what: Released) {
        // A closed channel means that the keeper leaves, and with it every lane.
        let (done, handed_over) = oneshot::channel();
        let _ = self.release.send(Release { role: Arc::from(role), what, done }).await;
        let _ = handed_over.await;
    }
}

/// The lanes of `role` that are to be handed over: what is above the fair share, so that others get
/// theirs, and everything once this instance is stopping.
pub(crate) fn to_hand_over(holdings: &Holdings, role: &str, lanes: i16) -> Vec<i16> {
    let held: Vec<i16> = holdings.of(role).map(|lease| lease.lane).collect();
    if holdings.withdrawn {
        return held;
    }
    surplus(&held, lanes, holdings.live.get(role).copied().unwrap_or(1))
}

/// True while nobody else can hold what is held here.
pub(crate) fn is_valid(holdings: &Holdings) -> bool {
    Instant::now() < holdings.valid_until
}

/// The task that keeps the leases. Ends when told to, handing everything back.
pub(crate) struct Keeper {
    registry: Registry,
    roles: Vec<Role>,
    publish: watch::Sender<Arc<Holdings>>,
    releases: mpsc::Receiver<Release>,
    health: Health,
}

impl Keeper {
    pub(crate) fn new(pool: sqlx::PgPool, name: String, roles: Vec<Role>, health: Health) -> (Self, Leases) {
        let (publish, holdings) = watch::channel(Arc::new(Holdings::none()));
        let (release, releases) = mpsc::channel(16);
        let registry = Registry::new(pool, name, roles.clone(), TIME_TO_LIVE);
        (Self { registry, roles, publish, releases, health }, Leases { holdings, release })
    }

    /// Runs until `stop`; then leaves, so that others take over at once. From `drain` on it takes
    /// nothing, and the loops hand over each lane as soon as it is quiet.
    pub(crate) async fn run(mut self, drain: CancellationToken, stop: CancellationToken) {
        let pulse = self.health.pulse("leases", Duration::from_secs(30));
        let mut due = tokio::time::interval(RENEWAL);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut draining = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = drain.cancelled(), if !draining => {
                    draining = true;
                    self.registry.withdraw();
                    self.tick().await;
                }
                _ = due.tick() => self.tick().await,
                Some(release) = self.releases.recv() => self.hand_back(release).await,
            }
            pulse.beat();
        }
        if let Err(error) = self.registry.leave().await {
            tracing::warn!(%error, "could not hand the lanes back; others take them over when they run out");
        }
        pulse.retire();
    }

    async fn tick(&mut self) {
        // Bounded: a database that does not answer must not keep the last holdings looking fresh.
        let renewed = tokio::time::timeout(TIME_TO_LIVE, self.registry.tick()).await;
        match renewed {
            Ok(Ok(holdings)) => {
                self.health.set("database", Status::Up);
                metric::database_connected().set(1.0);
                for role in &self.roles {
                    let held = u32::try_from(holdings.of(&role.name).count()).unwrap_or(u32::MAX);
                    metric::lanes_owned(role.name.to_string()).set(f64::from(held));
                }
                self.publish.send_replace(Arc::new(holdings));
            }
            Ok(Err(error)) => self.unavailable(&in_one_line(&error)),
            Err(_) => self.unavailable("no answer"),
        }
    }

    fn unavailable(&self, why: &str) {
        metric::database_connected().set(0.0);
        tracing::warn!(why, "waiting for the database: leases could not be renewed");
        self.health.set("database", Status::down(why));
    }

    async fn hand_back(&mut self, Release { role, what, done }: Release) {
        let handing = async {
            match what {
                Released::Lanes(lanes) => self.registry.release(&role, &lanes).await,
                Released::Role => self.registry.retire(&role).await,
            }
        };
        // Bounded as a renewal is: what is kept must not run out for what is handed back.
        match tokio::time::timeout(TIME_TO_LIVE, handing).await {
            Ok(Ok(lanes)) if lanes.is_empty() => {}
            Ok(Ok(lanes)) => tracing::info!(%role, ?lanes, "lanes handed over"),
            Ok(Err(error)) => {
                tracing::warn!(error = in_one_line(&error), %role, "lanes could not be handed over yet");
            }
            Err(_) => tracing::warn!(%role, "lanes could not be handed over yet: no answer"),
        }
        self.tick().await;
        let _ = done.send(());
    }
}

/// An error with its causes, in one line.
pub(crate) fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
