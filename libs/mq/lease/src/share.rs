/// How many lanes one of `live` instances may hold: the lanes divided, rounded up.
#[must_use]
pub fn fair_share(lanes: i16, live: usize) -> usize {
    usize::try_from(lanes).unwrap_or(0).div_ceil(live.max(1))
}

/// The lanes that an instance holds above its fair share: the highest ones, to be drained and
/// released. Deterministic, so that a lane that is being drained stays chosen.
#[must_use]
pub fn surplus(held: &[i16], lanes: i16, live: usize) -> Vec<i16> {
    let mut sorted = held.to_vec();
    sorted.sort_unstable();
    sorted.split_off(fair_share(lanes, live).min(held.len()))
}

#[cfg(test)]
mod tests {
    use super::{fair_share, surplus};

    #[test]
    fn shares_add_up_to_every_lane() {
        for (lanes, live, each) in [(32, 0, 32), (32, 1, 32), (32, 2, 16), (32, 3, 11), (1, 5, 1)] {
            assert_eq!(fair_share(lanes, live), each, "{lanes} over {live}");
        }
    }

    #[test]
    fn only_what_is_above_the_share_is_given_up() {
        assert_eq!(surplus(&[3, 1, 2, 0], 4, 1), Vec::<i16>::new());
        assert_eq!(surplus(&[3, 1, 2, 0], 4, 2), vec![2, 3]);
        assert_eq!(surplus(&[], 4, 2), Vec::<i16>::new());
    }
}
