use uuid::Uuid;

/// Where a command comes from; travels with its event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The conversation that it is part of; without one the event starts its own.
    pub correlation_id: Option<Uuid>,
    /// A well-formed W3C `traceparent`.
    pub traceparent: Option<String>,
}
