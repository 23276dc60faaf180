//! The ports in memory: one lock is one transaction.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use time::OffsetDateTime;
use uuid::Uuid;
use vibespro_app::{Call, UseCases};
use vibespro_domain::{Change, Revision, User, UserId, Vibe, VibeEvent, VibeId};
use vibespro_ports::{
    Clock, IdempotencyKey, Ids, Operation, Origin, Place, Receipt, Recorded, Registration, StoreError,
    Upkeep, Users, Vibes, WriteError,
};

type Key = (Operation, IdempotencyKey);

#[derive(Default)]
pub struct State {
    pub users: HashMap<UserId, User>,
    pub vibes: HashMap<VibeId, Vibe>,
    pub events: Vec<(VibeEvent, Origin)>,
    vibe_receipts: HashMap<Key, Recorded<Vibe>>,
    registrations: HashMap<Key, Recorded<Registration>>,
    /// How often a receipt was looked for.
    pub recalls: usize,
    pub down: bool,
}

#[derive(Clone, Default)]
pub struct Memory(pub Arc<Mutex<State>>);

impl Memory {
    fn state(&self, doing: &'static str) -> Result<std::sync::MutexGuard<'_, State>, StoreError> {
        let state = self.0.lock().unwrap();
        if state.down {
            return Err(StoreError::Unavailable { doing, detail: "down".to_owned() });
        }
        Ok(state)
    }
}

fn keep<T: Clone>(
    receipts: &mut HashMap<Key, Recorded<T>>,
    receipt: Option<&Receipt>,
    result: &T,
) -> Result<(), WriteError> {
    let Some(receipt) = receipt else { return Ok(()) };
    let key = (receipt.operation, receipt.key.clone());
    if receipts.contains_key(&key) {
        return Err(WriteError::KeyTaken);
    }
    receipts.insert(key, Recorded { request: receipt.request, result: result.clone() });
    Ok(())
}

impl Users for Memory {
    async fn put_user(
        &self,
        user: &User,
        receipt: Option<&Receipt>,
        _now: OffsetDateTime,
    ) -> Result<Registration, WriteError> {
        let mut state = self.state("put")?;
        let created = !state.users.contains_key(&user.user_id);
        let registration = Registration { user: user.clone(), created };
        keep(&mut state.registrations, receipt, &registration)?;
        state.users.insert(user.user_id.clone(), user.clone());
        Ok(registration)
    }

    async fn recall_registration(
        &self,
        key: &IdempotencyKey,
    ) -> Result<Option<Recorded<Registration>>, StoreError> {
        let mut state = self.state("recall")?;
        state.recalls += 1;
        Ok(state.registrations.get(&(Operation::RegisterUser, key.clone())).cloned())
    }
}

impl Vibes for Memory {
    async fn find(&self, vibe_id: VibeId) -> Result<Option<Vibe>, StoreError> {
        Ok(self.state("find")?.vibes.get(&vibe_id).cloned())
    }

    async fn page(
        &self,
        user_id: &UserId,
        limit: usize,
        after: Option<Place>,
    ) -> Result<Option<Vec<Vibe>>, StoreError> {
        let state = self.state("page")?;
        if !state.users.contains_key(user_id) {
            return Ok(None);
        }
        let place = |vibe: &Vibe| (vibe.created_at, vibe.vibe_id);
        let behind = |vibe: &&Vibe| after.is_none_or(|after| place(vibe) < (after.created_at, after.vibe_id));
        let mut found: Vec<Vibe> =
            state.vibes.values().filter(|vibe| vibe.user_id == *user_id).filter(behind).cloned().collect();
        found.sort_by_key(|vibe| std::cmp::Reverse(place(vibe)));
        found.truncate(limit);
        Ok(Some(found))
    }

    async fn create(
        &self,
        change: &Change,
        receipt: Option<&Receipt>,
        origin: &Origin,
    ) -> Result<Vibe, WriteError> {
        let mut state = self.state("create")?;
        if !state.users.contains_key(&change.vibe.user_id) {
            return Err(WriteError::UnknownUser);
        }
        keep(&mut state.vibe_receipts, receipt, &change.vibe)?;
        state.vibes.insert(change.vibe.vibe_id, change.vibe.clone());
        state.events.push((change.event.clone(), origin.clone()));
        Ok(change.vibe.clone())
    }

    async fn save(
        &self,
        change: &Change,
        receipt: Option<&Receipt>,
        origin: &Origin,
    ) -> Result<Vibe, WriteError> {
        let mut state = self.state("save")?;
        let before = state.vibes.get(&change.vibe.vibe_id).ok_or(WriteError::UnknownVibe)?;
        let current = before.revision;
        if Revision::parse(change.vibe.revision.number() - 1) != Ok(current) {
            return Err(WriteError::Stale { current });
        }
        keep(&mut state.vibe_receipts, receipt, &change.vibe)?;
        state.vibes.insert(change.vibe.vibe_id, change.vibe.clone());
        state.events.push((change.event.clone(), origin.clone()));
        Ok(change.vibe.clone())
    }

    async fn recall(
        &self,
        operation: Operation,
        key: &IdempotencyKey,
    ) -> Result<Option<Recorded<Vibe>>, StoreError> {
        let mut state = self.state("recall")?;
        state.recalls += 1;
        Ok(state.vibe_receipts.get(&(operation, key.clone())).cloned())
    }
}

impl Upkeep for Memory {
    async fn ready(&self) -> Result<(), StoreError> {
        self.state("be ready").map(|_| ())
    }

    async fn forget_receipts(&self, _before: OffsetDateTime, _limit: i64) -> Result<u64, StoreError> {
        let mut state = self.state("forget")?;
        let forgotten = state.vibe_receipts.len() as u64;
        state.vibe_receipts.clear();
        Ok(forgotten)
    }
}

/// Each look at it is a second later.
#[derive(Clone, Default)]
pub struct Ticking(Arc<Mutex<i64>>);

impl Clock for Ticking {
    fn now(&self) -> OffsetDateTime {
        let mut seconds = self.0.lock().unwrap();
        *seconds += 1;
        OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(*seconds)
    }
}

#[derive(Clone, Default)]
pub struct Counting(Arc<Mutex<u128>>);

impl Ids for Counting {
    fn vibe_id(&self) -> VibeId {
        let mut last = self.0.lock().unwrap();
        *last += 1;
        VibeId(Uuid::from_u128(*last))
    }
}

pub type InMemory = UseCases<Memory, Ticking, Counting>;

/// With the user `ada`.
pub async fn with_ada() -> (InMemory, Memory) {
    let memory = Memory::default();
    let vibespro = UseCases::new(memory.clone(), Ticking::default(), Counting::default());
    let ada = vibespro_app::RegisterUser { user_id: "ada".to_owned(), name: "Ada".to_owned() };
    vibespro.register_user(ada, Call::default()).await.unwrap();
    (vibespro, memory)
}

pub fn calm(title: &str) -> vibespro_app::CreateVibe {
    vibespro_app::CreateVibe {
        user_id: "ada".to_owned(),
        title: title.to_owned(),
        description: String::new(),
    }
}

pub fn with_key(key: &str) -> Call {
    Call { idempotency_key: Some(key.to_owned()), ..Call::default() }
}
