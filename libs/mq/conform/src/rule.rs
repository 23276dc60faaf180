//! The rules by name: what is expected, and where the contract says so.

use std::fmt;

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Whether the service works.
    Health,
    /// An event that is called with, once.
    Calls,
    /// Several attempts of one event.
    Attempts,
    /// Calls that must not take effect.
    Refusals,
    /// What the handler puts into the outbox.
    Emitted,
    /// What it says that it can do.
    Capabilities,
    /// Several events in one call.
    Batches,
    /// Who may call.
    Signatures,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Health => "Health",
            Self::Calls => "Calls",
            Self::Attempts => "Attempts",
            Self::Refusals => "Refusals",
            Self::Emitted => "Emitted events",
            Self::Capabilities => "Capabilities",
            Self::Batches => "Batches",
            Self::Signatures => "Signatures",
        })
    }
}

/// One rule of the handler contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its stable name.
    pub name: &'static str,
    /// What it is about.
    pub group: Group,
    /// What a handler that keeps it does.
    pub expected: &'static str,
    /// The section of the handler contract, as an anchor.
    pub section: &'static str,
}

/// Every rule, in the order in which they are reported.
pub const RULES: &[&Rule] = &[
    &LIVE,
    &READY,
    &PROCESSED,
    &MARKED,
    &EXTRA_FIELDS,
    &REDRIVEN,
    &LARGE,
    &IDLE,
    &REPEATED,
    &AT_ONCE,
    &OUTDATED,
    &OVERTAKEN,
    &SETTLED,
    &RACING,
    &HUNG_UP,
    &LATE,
    &UNKNOWN_MESSAGE,
    &UNKNOWN_EVENT,
    &INVALID,
    &DISCREET,
    &MALFORMED,
    &CORRELATION,
    &CAUSATION,
    &TRACE,
    &CAPABILITIES,
    &LISTED,
    &BATCH,
    &BATCH_REPEATED,
    &BATCH_AT_ONCE,
    &BATCH_OVERTAKEN,
    &BATCH_INVALID,
    &BATCH_DONE,
    &BATCH_OUTDATED,
    &BATCH_UNKNOWN_MESSAGE,
    &BATCH_UNKNOWN_EVENT,
    &BATCH_MALFORMED_ITEM,
    &BATCH_TOO_MANY,
    &BATCH_EMPTY,
    &UNSIGNED,
    &WRONG_KEY,
    &STALE,
    &CHANGED_BODY,
    &SEVERAL,
    &SIGNED_CAPABILITIES,
    &SIGNED_BATCH,
    &OPEN_HEALTH,
];

const HEALTH: &str = "health";
const THE_CALL: &str = "the-call";
const ANSWERS: &str = "what-the-answers-mean";
const ONCE: &str = "effects-exactly-once";
const BATCHES: &str = "batches";
const SIGNED: &str = "signed-calls";

macro_rules! rules {
    ($($constant:ident $name:literal $group:ident $section:ident $expected:literal;)*) => {
        $(pub(crate) const $constant: Rule =
            Rule { name: $name, group: Group::$group, expected: $expected, section: $section };)*
    };
}

rules! {
    LIVE "health.live" Health HEALTH
        "GET /health/live answers 200";
    READY "health.ready" Health HEALTH
        "GET /health/ready answers 200 while the database is there and migrated";

    PROCESSED "call.processed" Calls ANSWERS
        "the first attempt of an event answers 2xx, and so does another event of its type";
    MARKED "call.marked" Calls ONCE
        "when the call is answered the handler's own transaction has marked the event processed";
    EXTRA_FIELDS "call.extra_fields" Calls THE_CALL
        "fields that the contract does not name are ignored";
    REDRIVEN "call.redriven" Calls THE_CALL
        "a redriven event (attempt 1 again, a higher fence) is processed";
    LARGE "call.large" Calls THE_CALL
        "a payload as large as the broker takes is not refused for its size";
    IDLE "call.idle_connection" Calls THE_CALL
        "a connection that was idle for 4 s is still usable";

    REPEATED "attempt.repeated" Attempts ONCE
        "the same attempt once more answers 409, and nothing happens twice";
    AT_ONCE "attempt.at_once" Attempts ONCE
        "of the same attempt twice at the same time one answers 2xx, the other 409 or 5xx; one effect";
    OUTDATED "attempt.outdated" Attempts ONCE
        "an attempt that a later one has replaced answers 503, never 2xx or 409, and does nothing";
    OVERTAKEN "attempt.overtaken" Attempts ONCE
        "an attempt that is replaced just before its mark answers 503 and is rolled back; the later one is processed";
    SETTLED "attempt.settled" Attempts ONCE
        "an attempt whose event is settled as processed just before its mark answers 409 or 503, and is rolled back";
    RACING "attempt.racing" Attempts ONCE
        "an attempt and its successor at the same time: one answers 2xx, the other 409 or 5xx; one effect";
    HUNG_UP "attempt.hung_up" Attempts ONCE
        "after a caller that hung up, in its request or before the answer, the next attempt leaves one effect";
    LATE "attempt.late" Attempts ONCE
        "nothing happens after the answer: at the end each event has the effects that it had when it was judged";

    UNKNOWN_MESSAGE "refusal.unknown_message" Refusals ONCE
        "a message that the inbox does not know answers 503";
    UNKNOWN_EVENT "refusal.unknown_event" Refusals ANSWERS
        "an event that the handler does not know answers 404 or 503, never 2xx, 409 or 422";
    INVALID "refusal.invalid_payload" Refusals ANSWERS
        "a payload that does not validate answers 422, and nothing happens";
    DISCREET "refusal.discreet" Refusals THE_CALL
        "the answer to a payload that does not validate holds no value of it";
    MALFORMED "refusal.malformed_call" Refusals ANSWERS
        "what is no call answers 4xx, but neither 409 nor 422: the event is not to blame";

    CORRELATION "emitted.correlation" Emitted ONCE
        "emitted events carry the event's correlation_id";
    CAUSATION "emitted.causation" Emitted ONCE
        "emitted events carry the event's message_id as causation_id";
    TRACE "emitted.trace" Emitted ONCE
        "emitted events carry the call's trace on";

    CAPABILITIES "capabilities.form" Capabilities BATCHES
        "GET {HANDLER_URL}/capabilities answers 404, or 200 with contract 1 and, if it says them, batch and events in their form";
    LISTED "capabilities.listed" Capabilities BATCHES
        "the events that it lists include the one that is handled";

    BATCH "batch.processed" Batches BATCHES
        "each event of a batch is answered in its place with 2xx and marked processed";
    BATCH_REPEATED "batch.repeated" Batches BATCHES
        "the same batch once more answers 409 for each, and nothing happens twice";
    BATCH_AT_ONCE "batch.at_once" Batches BATCHES
        "of the same batch twice at the same time each event is answered 2xx once, else 409 or 5xx; one effect";
    BATCH_OVERTAKEN "batch.overtaken" Batches BATCHES
        "an attempt that is replaced just before its mark answers 503; the other event of the batch is processed";
    BATCH_INVALID "batch.invalid_payload" Batches BATCHES
        "a payload that does not validate answers 422 in its place; the other event is processed";
    BATCH_DONE "batch.done" Batches BATCHES
        "an event that is processed already answers 409 in its place; the other event is processed";
    BATCH_OUTDATED "batch.outdated" Batches BATCHES
        "an attempt that a later one has replaced answers 503 in its place; the other event is processed";
    BATCH_UNKNOWN_MESSAGE "batch.unknown_message" Batches BATCHES
        "a message that the inbox does not know answers 503 in its place; the other event is processed";
    BATCH_UNKNOWN_EVENT "batch.unknown_event" Batches BATCHES
        "an event that the handler does not know answers 404 or 503 in its place; the other event is processed";
    BATCH_MALFORMED_ITEM "batch.malformed_item" Batches BATCHES
        "a batch with something in it that is no call answers 400, for all or in its place";
    BATCH_TOO_MANY "batch.too_many" Batches BATCHES
        "more events than max_events answer 400 or 413 for all, and nothing happens";
    BATCH_EMPTY "batch.no_batch" Batches BATCHES
        "an empty array, and what is none, answer 400";

    UNSIGNED "signature.unsigned" Signatures SIGNED
        "an unsigned call answers 401, also when it is no call at all, and nothing happens";
    WRONG_KEY "signature.wrong_key" Signatures SIGNED
        "a call signed with another key answers 401, and nothing happens";
    STALE "signature.stale" Signatures SIGNED
        "a signature that is 10 minutes off, to either side, answers 401, and nothing happens";
    CHANGED_BODY "signature.changed_body" Signatures SIGNED
        "a body other than the signed one answers 401, and nothing happens";
    SEVERAL "signature.several" Signatures SIGNED
        "of several signatures in the header one that fits is enough";
    SIGNED_CAPABILITIES "signature.capabilities" Signatures SIGNED
        "capabilities asked for without a signature answer 401";
    SIGNED_BATCH "signature.batch" Signatures SIGNED
        "an unsigned batch answers 401, and nothing happens";
    OPEN_HEALTH "signature.health" Signatures SIGNED
        "health answers without a signature";
}
