//! Which sequences are missing: pure.

use std::fmt;

/// Told of in a log line; the others are counted.
const SHOWN: usize = 5;

/// Parts of a stream, in order, both ends of each included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spans(Vec<(u64, u64)>);

impl Spans {
    /// One part; nothing when it ends before it begins.
    pub(super) fn one(from: u64, to: u64) -> Self {
        Self(if from <= to { vec![(from, to)] } else { Vec::new() })
    }

    /// What of the part is not among `there`, which is in any order and may hold more.
    pub(super) fn missing(from: u64, to: u64, mut there: Vec<u64>) -> Self {
        there.sort_unstable();
        let (mut spans, mut next) = (Vec::new(), from);
        for seq in there.into_iter().filter(|seq| (from..=to).contains(seq)) {
            if seq > next {
                spans.push((next, seq - 1));
            }
            next = seq + 1;
        }
        if next <= to {
            spans.push((next, to));
        }
        Self(spans)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many sequences they are.
    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|(from, to)| to - from + 1).sum()
    }
}

impl fmt::Display for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (from, to)) in self.0.iter().take(SHOWN).enumerate() {
            let comma = if n > 0 { ", " } else { "" };
            if from == to { write!(f, "{comma}{from}")? } else { write!(f, "{comma}{from}-{to}")? }
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more parts"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Spans;

    #[test]
    fn what_is_missing() {
        let cases: [(u64, u64, &[u64], &str, u64); 7] = [
            (1, 3, &[1, 2, 3], "", 0),
            (1, 3, &[], "1-3", 3),
            (1, 5, &[5, 3, 3], "1-2, 4", 3),
            (4, 6, &[1, 5, 9], "4, 6", 2),
            (4, 3, &[], "", 0),
            (4, 3, &[4], "", 0),
            (1, 12, &[2, 4, 6, 8, 10, 12], "1, 3, 5, 7, 9 and 1 more parts", 6),
        ];
        for (from, to, there, told, count) in cases {
            let missing = Spans::missing(from, to, there.to_vec());
            assert_eq!(
                (missing.to_string().as_str(), missing.count()),
                (told, count),
                "{from} {to} {there:?}"
            );
            assert_eq!(missing.is_empty(), told.is_empty());
        }
        assert_eq!(Spans::one(2, 2).to_string(), "2");
        assert!(Spans::one(2, 1).is_empty());
    }
}
