use std::collections::BTreeMap;

use sea_mq_testkit::Reading;

/// What tells an operator that an event stream is not what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sign {
    /// The stream is another one of the same name.
    Recreated,
    /// Messages were gone before they were recorded.
    Dropped,
}

impl Sign {
    const ALL: [Self; 2] = [Self::Recreated, Self::Dropped];

    /// The counter that shows it.
    pub(crate) fn metric(self) -> &'static str {
        match self {
            Self::Recreated => "stream_recreated_total",
            Self::Dropped => "stream_dropped_total",
        }
    }
}

/// How often the processes of one worker, one after the other, have shown each sign. A counter begins at 0
/// with each process; what one that has ended had shown is kept.
#[derive(Debug, Default)]
pub(super) struct Counted {
    former: BTreeMap<Sign, f64>,
    /// By the process that runs.
    current: BTreeMap<Sign, f64>,
}

impl Counted {
    /// Takes note of a page of metrics; an empty one is no answer.
    pub(super) fn shown(&mut self, page: &str) {
        let readings = Reading::of_page("", "", page);
        for sign in Sign::ALL {
            let of_sign = readings.iter().filter(|reading| reading.metric == sign.metric());
            let shown: f64 = of_sign.map(|reading| reading.value).sum();
            let before = self.current.entry(sign).or_default();
            *before = before.max(shown);
        }
    }

    /// The next page is that of another process.
    pub(super) fn begin_anew(&mut self) {
        for (sign, count) in std::mem::take(&mut self.current) {
            *self.former.entry(sign).or_default() += count;
        }
    }

    pub(super) fn total(&self, sign: Sign) -> f64 {
        let of = |counts: &BTreeMap<Sign, f64>| counts.get(&sign).copied().unwrap_or_default();
        of(&self.former) + of(&self.current)
    }
}

#[cfg(test)]
mod tests {
    use super::{Counted, Sign};

    #[test]
    fn what_a_worker_has_shown_outlives_its_process() {
        let mut counted = Counted::default();
        counted.shown(
            "stream_dropped_total{consumer=\"a\"} 2\nstream_dropped_total{consumer=\"b\"} 1\nother 9\n",
        );
        assert_eq!((counted.total(Sign::Dropped), counted.total(Sign::Recreated)), (3.0, 0.0));
        counted.shown("");
        assert_eq!(counted.total(Sign::Dropped), 3.0, "it did not answer");
        counted.begin_anew();
        assert_eq!(counted.total(Sign::Dropped), 3.0);
        counted.shown("stream_dropped_total{consumer=\"a\"} 1\nstream_recreated_total{consumer=\"a\"} 1\n");
        assert_eq!((counted.total(Sign::Dropped), counted.total(Sign::Recreated)), (4.0, 1.0));
        counted.begin_anew();
        counted.begin_anew();
        assert_eq!((counted.total(Sign::Dropped), counted.total(Sign::Recreated)), (4.0, 1.0));
    }
}
