//! Header names of events and dead letters. The prefix `Nats-` belongs to the server.

/// Deduplication id: the outbox row's id, or a dead letter's own id.
pub const MESSAGE_ID: &str = "Nats-Msg-Id";
/// The request or event that started the chain.
pub const CORRELATION_ID: &str = "X-Correlation-Id";
/// The event that caused this one.
pub const CAUSATION_ID: &str = "X-Causation-Id";
/// Version of the event's contract: a positive integer.
pub const EVENT_VERSION: &str = "X-Event-Version";
/// Lower snake case name of the event, without its version.
pub const EVENT_TYPE: &str = "X-Event-Type";
/// When it happened: RFC 3339, UTC.
pub const OCCURRED_AT: &str = "X-Occurred-At";
/// Kind of the aggregate that the event belongs to.
pub const AGGREGATE_TYPE: &str = "X-Aggregate-Type";
/// Identity of the aggregate; absent for an unordered event.
pub const AGGREGATE_ID: &str = "X-Aggregate-Id";
/// W3C trace context.
pub const TRACEPARENT: &str = "traceparent";

/// Why the consumer gave up: `poison`, `max_deliver`, `missing_message_id`, `malformed`, `contract`.
pub const DLQ_REASON: &str = "X-Dlq-Reason";
/// The last error: at most 1 KiB, no control characters.
pub const DLQ_ERROR: &str = "X-Dlq-Error";
/// Attempts that were made.
pub const DLQ_ATTEMPTS: &str = "X-Dlq-Attempts";
/// The durable consumer that gave up.
pub const DLQ_CONSUMER: &str = "X-Dlq-Consumer";
/// The stream that the event came from.
pub const DLQ_STREAM: &str = "X-Dlq-Stream";
/// The event's sequence in that stream.
pub const DLQ_STREAM_SEQ: &str = "X-Dlq-Stream-Seq";
/// When the consumer gave up: RFC 3339, UTC.
pub const DLQ_FAILED_AT: &str = "X-Dlq-Failed-At";
/// The event's own subject, when no letter can have it: at most 1 KiB, no control characters.
pub const DLQ_SUBJECT: &str = "X-Dlq-Subject";
/// What of the event the letter does not carry: `body`, names of headers; at most 1 KiB.
pub const DLQ_LEFT_OUT: &str = "X-Dlq-Left-Out";
/// The event's own id; without a usable one, a UUIDv5 of stream and sequence.
pub const EVENT_ID: &str = "X-Event-Id";
