use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_mq_database::{Unanswered, ask};
use sea_mq_failpoint::failpoint;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use crate::share::fair_share;

/// What is divided into lanes: `outbox`, `ingest/{consumer}`, `dispatch/{consumer}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The role's name, the key in `mq_leases`.
    pub name: Arc<str>,
    /// Number of lanes, from 0.
    pub lanes: i16,
}

/// One lane that this instance holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The role's name.
    pub role: Arc<str>,
    /// The lane's number.
    pub lane: i16,
    /// Rises with every taking; a later holder has a higher one.
    pub epoch: i64,
}

/// What this instance holds, as of one tick.
#[derive(Clone, Debug)]
pub struct Holdings {
    /// This life of the instance. Statements are fenced by it.
    pub instance: Uuid,
    /// The lanes held.
    pub leases: Vec<Lease>,
    /// Live instances per role, this one included while it takes part.
    pub live: HashMap<Arc<str>, usize>,
    /// This instance takes nothing any more: what it still holds is to be handed back, lane by lane.
    pub withdrawn: bool,
    /// Until when nobody else can hold them, on this process's clock.
    pub valid_until: Instant,
}

impl Holdings {
    /// Nothing held, by nobody.
    #[must_use]
    pub fn none() -> Self {
        Self {
            instance: Uuid::nil(),
            leases: Vec::new(),
            live: HashMap::new(),
            withdrawn: false,
            valid_until: Instant::now(),
        }
    }

    /// The lanes of one role with their epochs.
    pub fn of<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a Lease> + 'a {
        self.leases.iter().filter(move |lease| &*lease.role == role)
    }
}

/// Why leases could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The database refused or was not there.
    #[error("leases could not be renewed in the database")]
    Database(#[from] sqlx::Error),
    /// The database did not answer. Whether it did what it was asked for is not known; every tick
    /// reads anew what is held.
    #[error(
        "leases could not be renewed: the database gave no answer within {within:?}; look at the network and at the server's load"
    )]
    NoAnswer {
        /// How long was waited.
        within: Duration,
    },
}

impl From<Unanswered> for LeaseError {
    fn from(why: Unanswered) -> Self {
        match why {
            Unanswered::Failed(source) => Self::Database(source),
            Unanswered::NoAnswer { within } => Self::NoAnswer { within },
        }
    }
}

/// What a broken connection gives: for failpoints.
#[cfg(debug_assertions)]
fn lost() -> LeaseError {
    LeaseError::Database(sqlx::Error::Io(sea_mq_failpoint::lost_connection()))
}

/// This instance's membership and leases in its context's database.
#[derive(Debug)]
pub struct Registry {
    pool: PgPool,
    name: String,
    /// What this instance takes part in.
    roles: Vec<Role>,
    ttl: Duration,
    instance: Option<Uuid>,
    withdrawn: bool,
}

impl Registry {
    /// An instance that takes part in `roles`; `ttl` is how long it may stay silent before others
    /// take its lanes over. Nothing is written before the first [`Registry::tick`].
    #[must_use]
    pub fn new(pool: PgPool, name: String, roles: Vec<Role>, ttl: Duration) -> Self {
        Self { pool, name, roles, ttl, instance: None, withdrawn: false }
    }

    /// Renews the own life (or begins a new one), buries the expired, takes free lanes up to the
    /// fair share, and tells what is held now. To be called several times per `ttl`.
    ///
    /// # Errors
    /// [`LeaseError::Database`]; what was held then runs out at its `valid_until`.
    pub async fn tick(&mut self) -> Result<Holdings, LeaseError> {
        let before = Instant::now();
        let instance = match self.instance {
            Some(id) if self.renew(id).await? => id,
            _ => self.join().await?,
        };
        self.shorten_overlong().await?;
        self.bury_expired().await?;
        let live = self.live_by_role().await?;
        for role in &self.roles {
            let share = fair_share(role.lanes, live.get(&role.name).copied().unwrap_or(1));
            self.take_free(instance, role, share).await?;
        }
        let leases = self.held(instance).await?;
        let withdrawn = self.withdrawn;
        Ok(Holdings { instance, leases, live, withdrawn, valid_until: before + self.ttl })
    }

    /// Hands lanes back at once; their work must have stopped. Returns those that were its own.
    ///
    /// # Errors
    /// [`LeaseError::Database`]; the lanes then stay held.
    pub async fn release(&self, role: &str, lanes: &[i16]) -> Result<Vec<i16>, LeaseError> {
        self.hand_back(role, Some(lanes)).await
    }

    /// Takes part in nothing from the next [`Registry::tick`] on: takes no lane, and counts for
    /// nobody's fair share, so that others may take what this instance hands back. What it holds
    /// stays its own until then.
    pub fn withdraw(&mut self) {
        self.roles.clear();
        self.withdrawn = true;
    }

    /// Takes part in `role` no more, for good: hands back all its lanes at once, and returns them.
    /// Their work must have stopped.
    ///
    /// # Errors
    /// [`LeaseError::Database`]; the lanes then stay held, and none is taken anew.
    pub async fn retire(&mut self, role: &str) -> Result<Vec<i16>, LeaseError> {
        self.roles.retain(|taken_part_in| &*taken_part_in.name != role);
        self.hand_back(role, None).await
    }

    /// Ends this life: every lane is free at once.
    ///
    /// # Errors
    /// [`LeaseError::Database`]; the lanes are then free after the time to live.
    pub async fn leave(&mut self) -> Result<(), LeaseError> {
        failpoint!("lease.leave.before", lost());
        let instance = self.instance.take();
        ask(&self.pool, async |connection| {
            sqlx::query("DELETE FROM mq_instances WHERE id = $1").bind(instance).execute(connection).await
        })
        .await?;
        Ok(())
    }

    /// Frees these lanes of a role, or all of them, as far as they are its own.
    async fn hand_back(&self, role: &str, lanes: Option<&[i16]>) -> Result<Vec<i16>, LeaseError> {
        failpoint!("lease.release.before", lost());
        let mut freed: Vec<i16> = ask(&self.pool, async |connection| {
            sqlx::query_scalar(
                "UPDATE mq_leases SET holder = NULL
             WHERE role = $1 AND holder = $2 AND ($3::smallint[] IS NULL OR lane = ANY($3))
             RETURNING lane",
            )
            .bind(role)
            .bind(self.instance)
            .bind(lanes)
            .fetch_all(connection)
            .await
        })
        .await?;
        failpoint!("lease.release.after", lost());
        freed.sort_unstable();
        Ok(freed)
    }

    /// True when the life goes on; false when it had expired, whether or not it was buried yet.
    async fn renew(&self, instance: Uuid) -> Result<bool, LeaseError> {
        failpoint!("lease.renew.before", lost());
        let renewed = ask(&self.pool, async |connection| {
            sqlx::query(
                "UPDATE mq_instances SET expires_at = clock_timestamp() + ttl, roles = $2
             WHERE id = $1 AND expires_at > clock_timestamp()",
            )
            .bind(instance)
            .bind(self.role_names())
            .execute(connection)
            .await
        })
        .await?;
        Ok(renewed.rows_affected() == 1)
    }

    async fn join(&mut self) -> Result<Uuid, LeaseError> {
        let instance = Uuid::new_v4();
        let names = self.role_names();
        let lanes: Vec<i16> = self.roles.iter().map(|role| role.lanes).collect();
        ask(&self.pool, async |connection| {
            sqlx::query(
                "INSERT INTO mq_leases (role, lane)
             SELECT r.name, lane FROM unnest($1::text[], $2::smallint[]) r (name, lanes),
                  generate_series(0, r.lanes - 1) lane
             ON CONFLICT DO NOTHING",
            )
            .bind(&names)
            .bind(&lanes)
            .execute(connection)
            .await
        })
        .await?;
        ask(&self.pool, async |connection| {
            sqlx::query(
                "INSERT INTO mq_instances (id, name, roles, ttl, expires_at)
             VALUES ($1, $2, $3, make_interval(secs => $4), clock_timestamp() + make_interval(secs => $4))",
            )
            .bind(instance)
            .bind(&self.name)
            .bind(&names)
            .bind(self.ttl.as_secs_f64())
            .execute(connection)
            .await
        })
        .await?;
        tracing::info!(%instance, name = self.name, "joined");
        self.instance = Some(instance);
        Ok(instance)
    }

    fn role_names(&self) -> Vec<&str> {
        self.roles.iter().map(|role| &*role.name).collect()
    }

    /// A life ends at most one time to live from now. One that ends later was renewed before the
    /// database's clock was set back: whether its instance is still there shows within that time.
    async fn shorten_overlong(&self) -> Result<(), LeaseError> {
        // Not buried at once: a live instance still counts on its time, and renews within it.
        let shortened: Vec<String> = ask(&self.pool, async |connection| {
            sqlx::query_scalar(
                "UPDATE mq_instances SET expires_at = clock_timestamp() + ttl WHERE id IN (
                 SELECT id FROM mq_instances WHERE expires_at > clock_timestamp() + ttl
                 FOR NO KEY UPDATE SKIP LOCKED)
             RETURNING name",
            )
            .fetch_all(connection)
            .await
        })
        .await?;
        if !shortened.is_empty() {
            tracing::warn!(
                instances = ?shortened,
                "the database's clock was set back: leases from before end within their time to live from now"
            );
        }
        Ok(())
    }

    async fn bury_expired(&self) -> Result<(), LeaseError> {
        // A row that one of its statements holds FOR KEY SHARE is left for the next tick: nobody waits.
        let rows = ask(&self.pool, async |connection| {
            sqlx::query(
                "DELETE FROM mq_instances WHERE id IN (
                 SELECT id FROM mq_instances WHERE expires_at < clock_timestamp() FOR UPDATE SKIP LOCKED)
             RETURNING id, name",
            )
            .fetch_all(connection)
            .await
        })
        .await?;
        for row in rows {
            let (id, name): (Uuid, String) = (row.try_get(0)?, row.try_get(1)?);
            tracing::warn!(instance = %id, name, "instance went silent; its lanes are free");
        }
        Ok(())
    }

    async fn live_by_role(&self) -> Result<HashMap<Arc<str>, usize>, LeaseError> {
        let rows = ask(&self.pool, async |connection| {
            sqlx::query("SELECT role, count(*) FROM mq_instances, unnest(roles) role GROUP BY role")
                .fetch_all(connection)
                .await
        })
        .await?;
        rows.into_iter()
            .map(|row| {
                let (role, live): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
                Ok((Arc::from(role), usize::try_from(live).unwrap_or(0)))
            })
            .collect()
    }

    async fn take_free(&self, instance: Uuid, role: &Role, share: usize) -> Result<(), LeaseError> {
        failpoint!("lease.take.before", lost());
        // SKIP LOCKED: two instances that look at the same moment take different lanes.
        ask(&self.pool, async |connection| {
            sqlx::query(
                "UPDATE mq_leases l SET holder = $1, epoch = epoch + 1, taken_at = clock_timestamp()
             FROM (SELECT role, lane FROM mq_leases
                   WHERE role = $2 AND holder IS NULL AND lane < $4
                   ORDER BY lane
                   LIMIT greatest($3 - (SELECT count(*) FROM mq_leases WHERE role = $2 AND holder = $1), 0)
                   FOR UPDATE SKIP LOCKED) free
             WHERE l.role = free.role AND l.lane = free.lane
               AND EXISTS (SELECT FROM mq_instances WHERE id = $1)",
            )
            .bind(instance)
            .bind(&*role.name)
            .bind(i64::try_from(share).unwrap_or(i64::MAX))
            .bind(role.lanes)
            .execute(connection)
            .await
        })
        .await?;
        failpoint!("lease.take.after", lost());
        Ok(())
    }

    async fn held(&self, instance: Uuid) -> Result<Vec<Lease>, LeaseError> {
        let rows = ask(&self.pool, async |connection| {
            sqlx::query("SELECT role, lane, epoch FROM mq_leases WHERE holder = $1 ORDER BY role, lane")
                .bind(instance)
                .fetch_all(connection)
                .await
        })
        .await?;
        rows.into_iter()
            .map(|row| {
                let role: String = row.try_get(0)?;
                Ok(Lease { role: Arc::from(role), lane: row.try_get(1)?, epoch: row.try_get(2)? })
            })
            .collect()
    }
}
