use uuid::Uuid;
use vibespro_domain::VibeId;
use vibespro_ports::Ids;

/// Random ids that rise with time (UUIDv7), so that new rows lie together in the index.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeOrderedIds;

impl Ids for TimeOrderedIds {
    fn vibe_id(&self) -> VibeId {
        VibeId(Uuid::now_v7())
    }
}
