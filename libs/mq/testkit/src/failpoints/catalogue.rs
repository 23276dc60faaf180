/// A named failpoint and how a worker is led there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failpoint {
    /// Its name in the source.
    pub name: &'static str,
    /// Which process passes it.
    pub side: Side,
    /// What makes it pass.
    pub way: Way,
}

/// Which process passes a failpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The producer's worker.
    Producer,
    /// The consumer's worker.
    Consumer,
    /// A command of the operator's; its own tests walk it.
    Command,
}

/// What makes a process pass a failpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The mixed load.
    Load,
    /// More events at once than are called for singly, of a handler that takes several in a call.
    Batch,
    /// Its start, and the loss and return of its lanes.
    Arriving,
    /// Messages that were delivered and not recorded: they are read from the stream.
    CatchingUp,
    /// A second worker that joins.
    HandingOver,
    /// The order to end.
    Leaving,
    /// A handler that fails all events of one type.
    Failing,
}

const fn producer(name: &'static str, way: Way) -> Failpoint {
    Failpoint { name, side: Side::Producer, way }
}

const fn consumer(name: &'static str, way: Way) -> Failpoint {
    Failpoint { name, side: Side::Consumer, way }
}

const fn command(name: &'static str) -> Failpoint {
    Failpoint { name, side: Side::Command, way: Way::Load }
}

/// Every failpoint of the source. Each can crash, fail, delay and freeze.
pub const FAILPOINTS: &[Failpoint] = &[
    consumer("dead_letter.publish.after", Way::Load),
    consumer("dead_letter.publish.before", Way::Load),
    consumer("dispatch.answer.after", Way::Load),
    consumer("dispatch.batch_answer.after", Way::Batch),
    consumer("dispatch.call.before", Way::Load),
    consumer("dispatch.settle.before", Way::Load),
    consumer("dispatch.take_over.before", Way::Arriving),
    consumer("inbox.dead.after", Way::Load),
    consumer("inbox.dead.before", Way::Load),
    consumer("inbox.defer.after", Way::Failing),
    consumer("inbox.defer.before", Way::Failing),
    consumer("inbox.give_up.after", Way::Load),
    consumer("inbox.give_up.before", Way::Load),
    consumer("inbox.processed.after", Way::Load),
    consumer("inbox.processed.before", Way::Load),
    consumer("inbox.put_behind.after", Way::Load),
    consumer("inbox.put_behind.before", Way::Load),
    consumer("inbox.recall.after", Way::Arriving),
    consumer("inbox.recall.before", Way::Arriving),
    consumer("inbox.record.after", Way::Load),
    consumer("inbox.record.before", Way::Load),
    consumer("inbox.retry.after", Way::Load),
    consumer("inbox.retry.before", Way::Load),
    consumer("inbox.start.after", Way::Load),
    consumer("inbox.start.before", Way::Load),
    consumer("ingest.ack.after", Way::Load),
    consumer("ingest.ack.before", Way::Load),
    consumer("ingest.pull.after", Way::Load),
    consumer("ingest.range.after", Way::CatchingUp),
    consumer("ingest.take_over.before", Way::Arriving),
    consumer("lease.leave.before", Way::Leaving),
    consumer("lease.release.after", Way::HandingOver),
    consumer("lease.release.before", Way::HandingOver),
    consumer("lease.renew.before", Way::Load),
    producer("lease.take.after", Way::Load),
    consumer("lease.take.before", Way::Load),
    producer("outbox.hold.after", Way::Load),
    producer("outbox.hold.before", Way::Load),
    producer("outbox.mark.after", Way::Load),
    producer("outbox.mark.before", Way::Load),
    producer("outbox.park.after", Way::Load),
    producer("outbox.park.before", Way::Load),
    producer("outbox.promote.after", Way::Load),
    producer("outbox.promote.before", Way::Load),
    command("outbox.retry.between"),
    producer("publish.ack.after", Way::Load),
    producer("publish.claim.after", Way::Load),
    producer("publish.send.before", Way::Load),
    producer("publish.take_over.before", Way::Arriving),
    command("replay.ack.after"),
    command("replay.mark.after"),
    command("replay.send.before"),
    consumer("stream.ack.after", Way::Load),
    consumer("stream.ack.before", Way::Load),
    producer("stream.publish.acked", Way::Load),
    producer("stream.publish.sent", Way::Load),
    consumer("stream.pull.after", Way::Load),
    consumer("stream.range.after", Way::CatchingUp),
];
