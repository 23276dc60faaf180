use crate::ledger::Totals;

/// What is wrong with one direction; empty when every promise was kept.
pub(crate) fn broken(totals: &Totals) -> Vec<String> {
    let t = totals;
    let equal = [
        ("committed", t.committed, "published and parked", t.published + t.parked),
        ("published, and published past the outbox", t.published + t.strangers, "stored", t.stored),
        ("stored in the stream", t.stored, "recorded in the inbox", t.recorded),
        ("recorded", t.recorded, "processed and dead-lettered", t.processed + t.dead),
        ("dead-lettered", t.dead, "letters in the stream", t.letters),
    ];
    equal
        .into_iter()
        .filter(|(_, left, _, right)| left != right)
        .map(|(what, left, other, right)| format!("{what}: {left}, {other}: {right}"))
        .collect()
}

/// True when nothing moves any more.
pub(crate) fn is_settled(totals: &Totals) -> bool {
    let Totals { committed, published, parked, stored, recorded, .. } = *totals;
    committed == published + parked && stored >= published && stored == recorded && open(totals) == 0
}

/// Recorded and not finished.
pub(crate) fn open(totals: &Totals) -> i64 {
    totals.recorded - totals.processed - totals.dead
}

/// The lines of the summary, one column for each direction.
pub(crate) fn table(columns: &[(String, Totals)]) -> Vec<String> {
    type Cell = fn(&Totals) -> i64;
    let rows: [(&str, Cell); 11] = [
        ("committed in the outbox", |t| t.committed),
        ("published, acknowledged", |t| t.published),
        ("parked: against the contract", |t| t.parked),
        ("stored in the stream", |t| t.stored),
        ("recorded in the inbox", |t| t.recorded),
        ("processed", |t| t.processed),
        ("  after more than one attempt", |t| t.tried_again),
        ("dead-lettered", |t| t.dead),
        ("  poison: the handler answered 422", |t| t.poison),
        ("  without an id, so never committed", |t| t.strangers),
        ("letters in the dead-letter stream", |t| t.letters),
    ];
    let head = columns.iter().map(|(title, _)| format!("{title:>18}")).collect::<String>();
    let mut lines = vec![format!("{:42}{head}", "")];
    for (label, cell) in rows {
        let cells = columns.iter().map(|(_, totals)| format!("{:>18}", cell(totals))).collect::<String>();
        lines.push(format!("{label:42}{cells}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{broken, is_settled};
    use crate::ledger::Totals;

    const GOOD: Totals = Totals {
        committed: 12,
        published: 10,
        parked: 2,
        stored: 11,
        recorded: 11,
        processed: 8,
        tried_again: 2,
        dead: 3,
        poison: 2,
        strangers: 1,
        letters: 3,
    };

    #[test]
    fn every_broken_promise_is_told() {
        assert_eq!(broken(&GOOD), Vec::<String>::new());
        for (bad, told) in [
            (Totals { committed: 13, ..GOOD }, "committed: 13"),
            (Totals { stored: 12, recorded: 12, processed: 9, ..GOOD }, "stored: 12"),
            (Totals { recorded: 10, processed: 7, ..GOOD }, "recorded in the inbox: 10"),
            (Totals { processed: 7, ..GOOD }, "processed and dead-lettered: 10"),
            (Totals { letters: 4, ..GOOD }, "letters in the stream: 4"),
        ] {
            let broken = broken(&bad);
            assert_eq!(broken.len(), 1, "{broken:?}");
            assert!(broken[0].contains(told), "{broken:?}");
        }
    }

    #[test]
    fn settled_means_that_nothing_is_on_its_way() {
        assert!(is_settled(&GOOD));
        for moving in [
            Totals { published: 9, ..GOOD },
            Totals { recorded: 10, ..GOOD },
            Totals { processed: 7, ..GOOD },
            Totals { stored: 9, recorded: 9, processed: 6, ..GOOD },
        ] {
            assert!(!is_settled(&moving), "{moving:?}");
        }
    }
}
