use crate::ledger::Totals;

/// What is wrong with one direction; empty when every promise was kept.
pub(crate) fn broken(totals: &Totals) -> Vec<String> {
    let t = totals;
    let equal = [
        ("committed", t.committed, "published", t.published),
        ("stored in the stream", t.stored, "recorded in the inbox", t.recorded),
        ("committed", t.committed, "processed and dead-lettered", finished(t)),
        ("dead-lettered", t.dead, "letters in the stream", t.letters),
        ("processed", t.processed, "effects", t.effects),
        ("effects", t.effects, "events that have effects", t.effected_events),
        ("events out of order", t.out_of_order, "none", 0),
    ];
    equal
        .into_iter()
        .filter(|(_, left, _, right)| left != right)
        .map(|(what, left, other, right)| format!("{what}: {left}, {other}: {right}"))
        .collect()
}

/// True when nothing moves any more.
pub(crate) fn is_settled(totals: &Totals) -> bool {
    let Totals { committed, published, stored, recorded, .. } = *totals;
    committed == published && stored >= committed && stored == recorded && open(totals) == 0
}

/// Recorded and not finished.
pub(crate) fn open(totals: &Totals) -> i64 {
    totals.recorded - totals.processed - totals.dead
}

/// Committed events that came to an end.
fn finished(totals: &Totals) -> i64 {
    totals.processed + totals.dead - totals.strangers
}

/// The lines of the summary, one column for each direction.
pub(crate) fn table(columns: &[(String, Totals)]) -> Vec<String> {
    type Cell = fn(&Totals) -> i64;
    let rows: [(&str, Cell); 13] = [
        ("committed in the outbox", |t| t.committed),
        ("published, acknowledged", |t| t.published),
        ("stored in the stream", |t| t.stored),
        ("recorded in the inbox", |t| t.recorded),
        ("processed", |t| t.processed),
        ("dead-lettered", |t| t.dead),
        ("  poison: the handler answered 422", |t| t.poison),
        ("  all attempts failed", |t| t.used_up),
        ("  without an id, so never committed", |t| t.strangers),
        ("letters in the dead-letter stream", |t| t.letters),
        ("effects in the application's tables", |t| t.effects),
        ("effects that happened twice", |t| t.effects - t.effected_events),
        ("effects out of order", |t| t.out_of_order),
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
        committed: 10,
        published: 10,
        stored: 11,
        recorded: 11,
        processed: 8,
        dead: 3,
        poison: 1,
        used_up: 1,
        strangers: 1,
        letters: 3,
        effects: 8,
        effected_events: 8,
        out_of_order: 0,
    };

    #[test]
    fn every_broken_promise_is_told() {
        assert_eq!(broken(&GOOD), Vec::<String>::new());
        for (bad, told) in [
            (Totals { published: 9, ..GOOD }, "published: 9"),
            (Totals { stored: 12, ..GOOD }, "stored in the stream: 12"),
            (
                Totals { processed: 7, effects: 7, effected_events: 7, ..GOOD },
                "processed and dead-lettered: 9",
            ),
            (Totals { letters: 4, ..GOOD }, "letters in the stream: 4"),
            (Totals { effects: 9, effected_events: 9, ..GOOD }, "effects: 9"),
            (Totals { effected_events: 7, ..GOOD }, "events that have effects: 7"),
            (Totals { out_of_order: 1, ..GOOD }, "events out of order: 1"),
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
