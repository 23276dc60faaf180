/// A named failpoint and how a worker is led there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failpoint {
    /// Its name in the source.
    pub name: &'static str,
    /// What makes a process pass it.
    pub way: Way,
}

/// What makes a process pass a failpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The producer's worker under the mixed load.
    Publishing,
    /// The consumer's worker under the mixed load.
    Consuming,
    /// The consumer's worker, started after another one that died with a batch in hand.
    CatchingUp,
    /// The consumer's worker, alone at first, when a second one joins.
    HandingOver,
    /// The consumer's worker, told to end.
    Leaving,
    /// The consumer's worker, when its handler fails all events of one type.
    Failing,
    /// A command of the operator's; its own test walks it.
    Command,
}

const fn at(name: &'static str, way: Way) -> Failpoint {
    Failpoint { name, way }
}

/// Every failpoint of the source.
pub const FAILPOINTS: &[Failpoint] = &[
    at("dead_letter.publish.after", Way::Consuming),
    at("dead_letter.publish.before", Way::Consuming),
    at("dispatch.answer.after", Way::Consuming),
    at("dispatch.call.before", Way::Consuming),
    at("dispatch.settle.before", Way::Consuming),
    at("dispatch.take_over.before", Way::Consuming),
    at("inbox.dead.after", Way::Consuming),
    at("inbox.dead.before", Way::Consuming),
    at("inbox.defer.after", Way::Failing),
    at("inbox.defer.before", Way::Failing),
    at("inbox.give_up.after", Way::Consuming),
    at("inbox.give_up.before", Way::Consuming),
    at("inbox.processed.after", Way::Consuming),
    at("inbox.processed.before", Way::Consuming),
    at("inbox.put_behind.after", Way::Consuming),
    at("inbox.put_behind.before", Way::Consuming),
    at("inbox.recall.after", Way::Consuming),
    at("inbox.recall.before", Way::Consuming),
    at("inbox.record.after", Way::Consuming),
    at("inbox.record.before", Way::Consuming),
    at("inbox.retry.after", Way::Consuming),
    at("inbox.retry.before", Way::Consuming),
    at("inbox.start.after", Way::Consuming),
    at("inbox.start.before", Way::Consuming),
    at("ingest.ack.after", Way::Consuming),
    at("ingest.ack.before", Way::Consuming),
    at("ingest.pull.after", Way::Consuming),
    at("ingest.range.after", Way::CatchingUp),
    at("ingest.take_over.before", Way::Consuming),
    at("lease.leave.before", Way::Leaving),
    at("lease.release.after", Way::HandingOver),
    at("lease.release.before", Way::HandingOver),
    at("lease.renew.before", Way::Consuming),
    at("lease.take.after", Way::Publishing),
    at("lease.take.before", Way::Consuming),
    at("outbox.hold.after", Way::Publishing),
    at("outbox.hold.before", Way::Publishing),
    at("outbox.mark.after", Way::Publishing),
    at("outbox.mark.before", Way::Publishing),
    at("outbox.park.after", Way::Publishing),
    at("outbox.park.before", Way::Publishing),
    at("outbox.promote.after", Way::Publishing),
    at("outbox.promote.before", Way::Publishing),
    at("outbox.retry.between", Way::Command),
    at("publish.ack.after", Way::Publishing),
    at("publish.claim.after", Way::Publishing),
    at("publish.send.before", Way::Publishing),
    at("publish.take_over.before", Way::Publishing),
    at("stream.ack.after", Way::Consuming),
    at("stream.ack.before", Way::Consuming),
    at("stream.publish.acked", Way::Publishing),
    at("stream.publish.sent", Way::Publishing),
    at("stream.pull.after", Way::Consuming),
    at("stream.range.after", Way::CatchingUp),
];
