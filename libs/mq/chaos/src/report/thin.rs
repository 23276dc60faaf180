//! Lines of bounded length: no more points than pixels can show.

use super::axis::TimeAxis;

/// Observations further apart than this are not joined by a line, in ms.
const GAP_MS: u64 = 3_500;

/// One observation of one series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) at_ms: u64,
    pub(super) value: f64,
}

/// A line in pieces, each with at most two points in a column of pixels: its lowest and its highest, in
/// the order of time. Where nothing was observed there is no line.
pub(super) fn pieces(times_ms: &[u64], values: &[Option<f64>], axis: TimeAxis) -> Vec<Vec<Point>> {
    let mut pieces: Vec<Vec<Point>> = Vec::new();
    let mut open = false;
    for (&at_ms, value) in times_ms.iter().zip(values) {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            open = false;
            continue;
        };
        let point = Point { at_ms, value };
        match pieces.last_mut() {
            Some(piece) if open && joins(piece, at_ms) => piece.push(point),
            Some(_) | None => pieces.push(vec![point]),
        }
        open = true;
    }
    pieces.iter().map(|piece| thinned(piece, axis)).collect()
}

fn joins(piece: &[Point], at_ms: u64) -> bool {
    piece.last().is_some_and(|last| at_ms.saturating_sub(last.at_ms) <= GAP_MS)
}

fn thinned(piece: &[Point], axis: TimeAxis) -> Vec<Point> {
    piece.chunk_by(|one, next| axis.column(one.at_ms) == axis.column(next.at_ms)).flat_map(extremes).collect()
}

fn extremes(column: &[Point]) -> Vec<Point> {
    let by_value = |one: &&Point, other: &&Point| one.value.total_cmp(&other.value);
    let mut ends: Vec<Point> = [column.iter().min_by(by_value), column.iter().max_by(by_value)]
        .into_iter()
        .flatten()
        .copied()
        .collect();
    ends.sort_by_key(|point| point.at_ms);
    ends.dedup();
    ends
}

#[cfg(test)]
mod tests {
    use super::{Point, pieces};
    use crate::report::axis::TimeAxis;

    #[test]
    fn a_spike_of_one_second_in_an_hour_is_kept() {
        let times: Vec<u64> = (0..3_600).map(|second| second * 1_000).collect();
        let mut values = vec![Some(1.0); times.len()];
        values[1_801] = Some(99.0);
        let pieces = pieces(&times, &values, TimeAxis { end_ms: 3_600_000 });
        assert_eq!(pieces.len(), 1);
        assert!(pieces[0].len() <= 2 * 840, "{}", pieces[0].len());
        assert!(pieces[0].contains(&Point { at_ms: 1_801_000, value: 99.0 }));
        assert!(pieces[0].is_sorted_by_key(|point| point.at_ms));
    }

    #[test]
    fn what_was_not_observed_is_not_drawn() {
        let times = [0, 1_000, 2_000, 3_000, 9_000];
        let values = [Some(1.0), None, Some(2.0), Some(f64::NAN), Some(3.0)];
        let pieces = pieces(&times, &values, TimeAxis { end_ms: 10_000 });
        assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
    }
}
